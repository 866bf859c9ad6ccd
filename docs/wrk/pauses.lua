-- exponential pauses, 10 ms on average, as the benchmarks' clients make
function delay() return math.floor(-10 * math.log(1 - math.random()) + 0.5) end
