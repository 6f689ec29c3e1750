import { tryParseAddr } from '../../../ipaddr/parse-addr.ts';
import type { Directive } from '../../corefile/parse.ts';
import { expectNoBody, fail } from '../../corefile/values.ts';

/** `bind ADDRESS...` */
export interface BindConfig {
  readonly addresses: readonly string[];
}

export function parseBind(directives: readonly Directive[]): BindConfig {
  const addresses = directives.flatMap((directive) => {
    expectNoBody(directive);
    return directive.args.map((token) => {
      if (tryParseAddr(token.text) === undefined) {
        fail(
          token,
          `bind: expected an IP address, got "${token.text}": interfaces are not looked up`,
        );
      }
      return token.text;
    });
  });
  return { addresses };
}
