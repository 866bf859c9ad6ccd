%% What Erlang/OTP does of what `otp.rs` measures, row by row, on the same machine.
%%
%%   erlc otp.erl && erl +S 1 -noshell -run otp main "ledger read by id"
%%
%% Prints the best of five rounds: `per_second N`, `times P50 P99` and
%% `waits P50 P99` in nanoseconds, `bytes N`, or `unknown`. Pools are poolboy's, which
%% has to be in the code path (Debian: erlang-poolboy).
-module(otp).
-export([main/1]).
-export([init/1, callback_mode/0, handle_event/4]).
-export([handle_call/3, handle_cast/2, handle_info/2]).
-export([start_link/1, start_echo/0]).

-define(ROUNDS, 5).
-define(PATIENCE, 30000).

main([Row]) ->
    % Reports of what is killed on purpose would be what is measured.
    logger:set_primary_config(level, none),
    io:format("~s~n", [text(best([alone(Row) || _ <- lists:seq(1, ?ROUNDS)]))]),
    halt(0).

%% A process of its own for each round: no garbage of the last one.
alone(Row) ->
    Main = self(),
    {Pid, Ref} = spawn_monitor(fun() ->
        process_flag(trap_exit, true),
        Main ! {figure, self(), row(Row)}
    end),
    receive
        {figure, Pid, Figure} ->
            receive {'DOWN', Ref, process, Pid, _} -> Figure end;
        {'DOWN', Ref, process, Pid, Why} ->
            io:format(standard_error, "~p~n", [Why]),
            halt(1)
    end.

best([First | Rest]) -> lists:foldl(fun better/2, First, Rest).

better({per_second, A}, {per_second, B}) -> {per_second, max(A, B)};
better({Kind, A, _} = One, {Kind, B, _} = Other) -> if A =< B -> One; true -> Other end;
better({bytes, A}, {bytes, B}) -> {bytes, min(A, B)};
better(unknown, unknown) -> unknown.

text({per_second, Rate}) -> io_lib:format("per_second ~b", [round(Rate)]);
text({Kind, P50, P99}) -> io_lib:format("~s ~b ~b", [Kind, P50, P99]);
text({bytes, Bytes}) -> io_lib:format("bytes ~b", [Bytes]);
text(unknown) -> "unknown".

row("governor call") -> signals(50000, false);
row("governor call with receipt") -> signals(20000, true);
row("governor call with receipt, latency") -> signal_times();
row("100 governors with receipts") -> many_governors();
row("pool checkout + check-in, 1 client") -> lend(1, false);
row("pool checkout + check-in, 20 clients") -> lend(20, false);
row("pool checkout + check-in, 100 clients") -> lend(100, false);
row("pool transaction with a call, 1 client") -> lend(1, true);
row("pool transaction with a call, 20 clients") -> lend(20, true);
row("pool transaction with a call, 100 clients") -> lend(100, true);
row("pool: death of a worker to waiter served") -> replace(worker);
row("pool: death of a client to waiter served") -> replace(client);
row("pool: 1,000 waiters die") -> give_up();
row("pool: burst of 5 x 1,000, work 1 ms, wait") -> burst(1000);
row("pool: burst of 5 x 1,000, work 0.1 ms, wait") -> burst(100);
row("supervisor: kill to restarted") -> restart();
row("ledger write, direct") -> write(direct);
row("ledger write, direct, latency") -> write_times(direct);
row("ledger write through the actor") -> write(server);
row("ledger write through the actor, latency") -> write_times(server);
row("ledger batch of 100") -> write_batches();
row("ledger read by id") -> read();
row("ledger read by id, latency") -> read_times();
row("ledger: memory of a receipt") -> receipt_memory();
row("postpone and retry 1,000 events") -> postpone(1000);
row("postpone and retry 10,000 events") -> postpone(10000);
row("postpone and retry 100,000 events") -> postpone(100000);
row("memory of an actor") -> actor_memory();
row("memory of a governor") -> governor_memory();
row(_) -> unknown.

now_ns() -> erlang:monotonic_time(nanosecond).

per_second(Units, Start) -> {per_second, Units * 1.0e9 / max(1, now_ns() - Start)}.

quantiles(Kind, Times) ->
    Sorted = list_to_tuple(lists:sort(Times)),
    At = fun(Q) -> element(max(1, ceil(Q * size(Sorted))), Sorted) end,
    {Kind, At(0.5), At(0.99)}.

time(Fun) ->
    Start = now_ns(),
    Fun(),
    now_ns() - Start.

in_parallel(Clients, Fun) ->
    Pids = [spawn_monitor(fun() -> Fun(Client) end) || Client <- lists:seq(1, Clients)],
    [receive {'DOWN', Ref, process, Pid, normal} -> ok end || {Pid, Ref} <- Pids],
    ok.

%% --- behaviours: the governor and a gate are state machines, the rest servers ---

start_link(Arguments) -> gen_server:start_link(?MODULE, Arguments, []).

start_echo() -> gen_server:start_link({local, child}, ?MODULE, echo, []).

callback_mode() -> handle_event_function.

init({governor, Tables}) -> {ok, stable, Tables};
init(gate) -> {ok, closed, none};
init({supervisor, Flags, Children}) -> {ok, {Flags, Children}};
init(State) -> {ok, State}.

handle_event({call, From}, {signal, Value}, State, Tables) ->
    Next = if Value > 60.0 -> warning; true -> stable end,
    case Next of
        State ->
            {keep_state_and_data, [{reply, From, State}]};
        _ ->
            Tables =:= none orelse append(Tables, draft(State, Next)),
            {next_state, Next, Tables, [{reply, From, Next}]}
    end;
handle_event(cast, work, closed, _) -> {keep_state_and_data, [postpone]};
handle_event(cast, work, open, _) -> keep_state_and_data;
handle_event(cast, open, closed, Data) -> {next_state, open, Data};
handle_event({call, From}, is_done, _, _) -> {keep_state_and_data, [{reply, From, ok}]}.

handle_call({append, Draft}, _, {ledger, Tables} = State) ->
    {reply, append(Tables, Draft), State};
handle_call({append_all, Drafts}, _, {ledger, Tables} = State) ->
    {reply, [append(Tables, Draft) || Draft <- Drafts], State};
handle_call(_, _, State) ->
    {reply, ok, State}.

handle_cast(_, State) -> {noreply, State}.

handle_info(_, State) -> {noreply, State}.

%% --- ledger: a hash chain, and tables by id, tenant, signal and time ---

tables() ->
    Options = [public, {read_concurrency, true}, {write_concurrency, true}],
    Tables = {
        ets:new(receipts, [set | Options]),
        ets:new(by_tenant, [ordered_set | Options]),
        ets:new(by_signal, [ordered_set | Options]),
        ets:new(by_time, [ordered_set | Options]),
        ets:new(chains, [set | Options]),
        counters:new(1, [])
    },
    Tables.

draft(From, To) -> draft(From, To, 0).

draft(From, To, Number) ->
    {<<"acme">>, transition, From, To, <<"cpu 70.0">>, {signal, Number}}.

append({Receipts, ByTenant, BySignal, ByTime, Chains, Ids}, {Tenant, Kind, From, To, Payload, Signal}) ->
    counters:add(Ids, 1, 1),
    Id = counters:get(Ids, 1),
    Time = os:system_time(nanosecond),
    Previous =
        case ets:lookup(Chains, Tenant) of
            [{_, Hash}] -> Hash;
            [] -> <<0:256>>
        end,
    Content = term_to_binary({Id, Tenant, Kind, From, To, Payload, Signal, Time, Previous}),
    Hash1 = crypto:hash(sha256, Content),
    Receipt = {Id, Tenant, Kind, From, To, Payload, Signal, Time, Previous, Hash1},
    ets:insert(Receipts, Receipt),
    ets:insert(ByTenant, {{Tenant, Id}}),
    ets:insert(BySignal, {{Signal, Id}}),
    ets:insert(ByTime, {{Time, Id}}),
    ets:insert(Chains, {Tenant, Hash1}),
    Receipt.

ledger(Tables) ->
    {ok, Ledger} = start_link({ledger, Tables}),
    Ledger.

writer(direct) ->
    Tables = tables(),
    fun(Draft) -> append(Tables, Draft) end;
writer(server) ->
    Ledger = ledger(tables()),
    fun(Draft) -> gen_server:call(Ledger, {append, Draft}) end.

write(How) ->
    Write = writer(How),
    Start = now_ns(),
    repeat(20000, fun(Number) -> Write(draft(stable, warning, Number)) end),
    per_second(20000, Start).

write_times(How) ->
    Write = writer(How),
    quantiles(times, [
        time(fun() -> Write(draft(stable, warning, Number)) end)
        || Number <- lists:seq(1, 20000)
    ]).

write_batches() ->
    Ledger = ledger(tables()),
    Start = now_ns(),
    repeat(200, fun(Batch) ->
        Drafts = [draft(stable, warning, 100 * Batch + Number) || Number <- lists:seq(1, 100)],
        gen_server:call(Ledger, {append_all, Drafts})
    end),
    per_second(20000, Start).

filled(Count) ->
    Tables = tables(),
    repeat(Count, fun(Number) -> append(Tables, draft(stable, warning, Number)) end),
    Tables.

read() ->
    Receipts = element(1, filled(10000)),
    Start = now_ns(),
    repeat(10000, fun(Id) -> [_] = ets:lookup(Receipts, Id) end),
    per_second(10000, Start).

read_times() ->
    Receipts = element(1, filled(10000)),
    quantiles(times, [
        time(fun() -> [_] = ets:lookup(Receipts, Id) end)
        || Id <- lists:seq(1, 10000)
    ]).

receipt_memory() ->
    Before = erlang:memory(total),
    Tables = filled(20000),
    erlang:garbage_collect(),
    After = erlang:memory(total),
    20000 = ets:info(element(1, Tables), size),
    {bytes, (After - Before) div 20000}.

repeat(0, _) -> ok;
repeat(Count, Fun) ->
    Fun(Count),
    repeat(Count - 1, Fun).

%% --- governor ---

governor(Tables) ->
    {ok, Governor} = gen_statem:start_link(?MODULE, {governor, Tables}, []),
    Governor.

value(Number, true) when Number rem 2 =:= 0 -> 70.0;
value(_, _) -> 10.0.

signals(Count, WithReceipts) ->
    Governor = governor(case WithReceipts of true -> tables(); false -> none end),
    Start = now_ns(),
    repeat(Count, fun(Number) ->
        gen_statem:call(Governor, {signal, value(Number, WithReceipts)})
    end),
    per_second(Count, Start).

signal_times() ->
    Governor = governor(tables()),
    quantiles(times, [
        time(fun() -> gen_statem:call(Governor, {signal, value(Number, true)}) end)
        || Number <- lists:seq(1, 20000)
    ]).

many_governors() ->
    Tables = tables(),
    Governors = list_to_tuple([governor(Tables) || _ <- lists:seq(1, 100)]),
    Start = now_ns(),
    in_parallel(100, fun(Client) ->
        Governor = element(Client, Governors),
        repeat(400, fun(Number) -> gen_statem:call(Governor, {signal, value(Number, true)}) end)
    end),
    per_second(40000, Start).

%% --- pool ---

pool(Size, Overflow) ->
    {ok, Pool} = poolboy:start_link(
        [{worker_module, ?MODULE}, {size, Size}, {max_overflow, Overflow}], echo
    ),
    Pool.

lend(Clients, WithCall) ->
    Pool = pool(10, 0),
    Each = 40000 div Clients,
    Start = now_ns(),
    in_parallel(Clients, fun(_) ->
        repeat(Each, fun(_) ->
            Worker = poolboy:checkout(Pool, true, ?PATIENCE),
            WithCall andalso gen_server:call(Worker, echo),
            poolboy:checkin(Pool, Worker)
        end)
    end),
    Figure = per_second(Each * Clients, Start),
    poolboy:stop(Pool),
    Figure.

%% From the death of a worker, or of the client that has it, until a waiter is served.
replace(Who) ->
    Pool = pool(1, 0),
    Main = self(),
    Hold = fun() ->
        spawn(fun() ->
            Worker = poolboy:checkout(Pool, true, ?PATIENCE),
            Main ! {served, self(), Worker},
            receive stop -> ok end
        end)
    end,
    First = Hold(),
    Served = receive {served, First, FirstWorker} -> {First, FirstWorker} end,
    {Times, {Last, _}} = lists:mapfoldl(
        fun(_, {Client, Worker}) ->
            Waiter = Hold(),
            wait_until(fun() -> queued(Pool) =:= 1 end),
            Start = now_ns(),
            exit(case Who of worker -> Worker; client -> Client end, kill),
            Next = receive {served, Waiter, NextWorker} -> {Waiter, NextWorker} end,
            Time = now_ns() - Start,
            exit(Client, kill),
            {Time, Next}
        end,
        Served,
        lists:seq(1, 2000)
    ),
    exit(Last, kill),
    poolboy:stop(Pool),
    quantiles(times, Times).

%% Poolboy does not tell who waits; its state does.
queued(Pool) ->
    State = sys:get_state(Pool),
    [Queue] = [Field || Field <- tuple_to_list(State), queue:is_queue(Field), is_tuple(Field),
        size(Field) =:= 2, is_list(element(1, Field)), is_list(element(2, Field))],
    queue:len(Queue).

wait_until(Fun) ->
    case Fun() of
        true -> ok;
        false -> erlang:yield(), wait_until(Fun)
    end.

give_up() ->
    Pool = pool(1, 0),
    Worker = poolboy:checkout(Pool, true, ?PATIENCE),
    Times = [
        begin
            Waiters = [
                spawn_monitor(fun() -> poolboy:checkout(Pool, true, infinity) end)
                || _ <- lists:seq(1, 1000)
            ],
            wait_until(fun() -> queued(Pool) =:= 1000 end),
            time(fun() ->
                [exit(Pid, kill) || {Pid, _} <- Waiters],
                [receive {'DOWN', Ref, process, _, _} -> ok end || {_, Ref} <- Waiters],
                % Served when the pool has dealt with what came before.
                poolboy:status(Pool)
            end)
        end
        || _ <- lists:seq(1, 10)
    ],
    poolboy:checkin(Pool, Worker),
    poolboy:stop(Pool),
    quantiles(times, Times).

burst(WorkUs) ->
    Pool = pool(10, 5),
    Main = self(),
    Waits = lists:append([
        begin
            [
                begin
                    Start = now_ns(),
                    spawn(fun() ->
                        Worker = poolboy:checkout(Pool, true, ?PATIENCE),
                        Wait = now_ns() - Start,
                        work(now_ns() + 1000 * WorkUs),
                        poolboy:checkin(Pool, Worker),
                        Main ! {wait, Wait}
                    end)
                end
                || _ <- lists:seq(1, 1000)
            ],
            [receive {wait, Wait} -> Wait end || _ <- lists:seq(1, 1000)]
        end
        || _ <- lists:seq(1, 5)
    ]),
    poolboy:stop(Pool),
    quantiles(waits, Waits).

%% As the other side does it: time passes while others run.
work(End) ->
    case now_ns() < End of
        true -> erlang:yield(), work(End);
        false -> ok
    end.

%% --- supervisor ---

restart() ->
    Flags = #{strategy => one_for_one, intensity => 1000000, period => 1},
    Child = #{id => child, start => {?MODULE, start_echo, []}},
    {ok, Supervisor} = supervisor:start_link(?MODULE, {supervisor, Flags, [Child]}),
    Times = [
        begin
            Pid = whereis(child),
            Start = now_ns(),
            exit(Pid, kill),
            wait_until(fun() -> Now = whereis(child), is_pid(Now) andalso Now =/= Pid end),
            Time = now_ns() - Start,
            supervisor:count_children(Supervisor),
            Time
        end
        || _ <- lists:seq(1, 2000)
    ],
    unlink(Supervisor),
    exit(Supervisor, shutdown),
    quantiles(times, Times).

%% --- state machine, memory ---

postpone(Events) ->
    {ok, Gate} = gen_statem:start_link(?MODULE, gate, []),
    repeat(Events, fun(_) -> gen_statem:cast(Gate, work) end),
    gen_statem:call(Gate, is_done, infinity),
    Start = now_ns(),
    gen_statem:cast(Gate, open),
    gen_statem:call(Gate, is_done, infinity),
    Figure = per_second(Events, Start),
    gen_statem:stop(Gate),
    Figure.

memory_of_each(Start) ->
    Before = erlang:memory(total),
    Pids = [Start() || _ <- lists:seq(1, 5000)],
    erlang:garbage_collect(),
    After = erlang:memory(total),
    {bytes, (After - Before) div length(Pids)}.

actor_memory() ->
    memory_of_each(fun() -> {ok, Pid} = start_link(echo), Pid end).

governor_memory() ->
    Tables = tables(),
    memory_of_each(fun() -> governor(Tables) end).
