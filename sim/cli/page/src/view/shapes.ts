// The shape of each kind of event. The legend uses the same ones.

import type { Shape } from "./theme";

/** Around (x, y), in the current colours. */
export function draw(context: CanvasRenderingContext2D, shape: Shape, x: number, y: number, size: number, ground: string) {
  context.lineWidth = 1.6;
  context.beginPath();
  switch (shape) {
    case "disc":
      context.arc(x, y, size, 0, 2 * Math.PI);
      context.fill();
      break;
    case "ring": {
      const colour = context.fillStyle;
      context.arc(x, y, size * 0.82, 0, 2 * Math.PI);
      context.fillStyle = ground;
      context.fill();
      context.fillStyle = colour;
      context.stroke();
      break;
    }
    case "triangle":
      polygon(context, x, y, [[-1, -0.85], [1.05, 0], [-1, 0.85]], size * 1.1);
      break;
    case "diamond":
      polygon(context, x, y, [[0, -1.25], [1.25, 0], [0, 1.25], [-1.25, 0]], size);
      break;
    case "square":
      context.rect(x - size * 0.9, y - size * 0.9, size * 1.8, size * 1.8);
      context.fill();
      break;
    case "pill":
      context.roundRect(x - size * 1.3, y - size * 0.7, size * 2.6, size * 1.4, size * 0.7);
      context.fill();
      break;
    case "plus":
      lines(context, x, y, [[-1, 0, 1, 0], [0, -1, 0, 1]], size * 0.8);
      break;
    case "cross":
      context.lineWidth = 3;
      lines(context, x, y, [[-1, -1, 1, 1], [-1, 1, 1, -1]], size * 0.85);
      break;
    case "dash":
      lines(context, x, y, [[-1, 0, 1, 0]], size * 0.9);
      break;
    case "bolt":
      polygon(context, x, y, [[0.25, -1.5], [-0.9, 0.25], [-0.1, 0.25], [-0.3, 1.5], [0.9, -0.3], [0.1, -0.3]], size);
      break;
    case "empty":
      context.arc(x, y, size * 0.82, 0, 2 * Math.PI);
      lines(context, x, y, [[-1, 1, 1, -1]], size * 1.1);
      break;
    case "bar":
      context.rect(x - size * 1.4, y - 1.5, size * 2.8, 3);
      context.fill();
      break;
  }
}

function polygon(context: CanvasRenderingContext2D, x: number, y: number, points: [number, number][], size: number) {
  points.forEach(([dx, dy], at) => {
    if (at === 0) context.moveTo(x + dx * size, y + dy * size);
    else context.lineTo(x + dx * size, y + dy * size);
  });
  context.closePath();
  context.fill();
}

function lines(context: CanvasRenderingContext2D, x: number, y: number, strokes: [number, number, number, number][], size: number) {
  for (const [x1, y1, x2, y2] of strokes) {
    context.moveTo(x + x1 * size, y + y1 * size);
    context.lineTo(x + x2 * size, y + y2 * size);
  }
  context.stroke();
}
