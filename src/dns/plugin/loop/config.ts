import type { Directive } from '../../corefile/parse.ts';
import { expectArgs, expectNoBody } from '../../corefile/values.ts';

/** `loop` */
export type LoopConfig = Readonly<Record<string, never>>;

export function parseLoop(directives: readonly Directive[]): LoopConfig {
  for (const directive of directives) {
    expectArgs(directive, 0, 0);
    expectNoBody(directive);
  }
  return {};
}
