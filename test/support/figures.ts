/** Draws a figure as it is written, and refuses all that vega-lite warns of. */
import { compile } from 'vega-lite';
import { renderSvg } from '../../src/report/render';
import type { Spec } from '../../src/report/theme';

/**
 * Compiles with every warning of vega-lite as an error: a warning means that the figure differs from its specification.
 */
function compileStrictly(spec: Spec): void {
  const fail = (...args: unknown[]): never => {
    throw new Error(args.join(' '));
  };
  const logger = { level: () => logger, error: fail, warn: fail, info: () => logger, debug: () => logger };
  compile(spec as never, { logger: logger as never });
}

export async function svgOf(spec: Spec | null | Promise<Spec | null>): Promise<string> {
  const drawn = await spec;
  expect(drawn).not.toBeNull();
  compileStrictly(drawn!);
  return renderSvg(drawn!);
}
