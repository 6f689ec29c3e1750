import type { Addr } from './addr.ts';
import { Prefix } from './prefix.ts';
import type { Range } from './range.ts';

/**
 * The fewest prefixes that together are the range, in order; never more than two for each bit of the
 * family. From the left, each is the largest that begins there and does not reach beyond the end:
 *
 *     range        |-----------------------|
 *     prefixes     |-|---|-------|-------|-|
 */
export function* summarize({ first, last }: Range): Generator<Prefix, undefined> {
  let at: Addr | undefined = first;
  while (at !== undefined) {
    let bits = at.bits - trailingZeros(at);
    let prefix: Prefix = Prefix.of(at, bits);
    while (prefix.last().compare(last) > 0) {
      bits += 1;
      prefix = Prefix.of(at, bits);
    }
    yield prefix;
    const end = prefix.last();
    at = end.equals(last) ? undefined : end.next();
  }
}

/** How many of the address's last bits are zero. */
function trailingZeros({ family, w0, w1, w2, w3 }: Addr): number {
  if (w3 !== 0) return zerosOf(w3);
  if (family === 4) return 32;
  if (w2 !== 0) return 32 + zerosOf(w2);
  if (w1 !== 0) return 64 + zerosOf(w1);
  return w0 === 0 ? 128 : 96 + zerosOf(w0);
}

/** The zeros at the end of a word that isn't zero. */
function zerosOf(word: number): number {
  return 31 - Math.clz32(word & -word);
}
