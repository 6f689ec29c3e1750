import type { Directive } from '../../corefile/parse.ts';
import { expectArgs, expectNoBody } from '../../corefile/values.ts';

/** `any` */
export type AnyConfig = Readonly<Record<string, never>>;

export function parseAny(directives: readonly Directive[]): AnyConfig {
  for (const directive of directives) {
    expectArgs(directive, 0, 0);
    expectNoBody(directive);
  }
  return {};
}
