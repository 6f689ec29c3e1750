/* Bits of a header, by our names for them. */

type Names = Readonly<Record<string, number>>;

/** The bits of those flags that are true. */
export function flagBits<const N extends Names>(
  names: N,
  flags: { readonly [K in keyof N]?: boolean | undefined },
): number {
  return Object.entries(names).reduce(
    (sum, [name, bit]) => (flags[name] === true ? sum | bit : sum),
    0,
  );
}

/** Each flag by its name. */
export function flagNames<const N extends Names>(
  names: N,
  bits: number,
): { readonly [K in keyof N]: boolean } {
  const entries = Object.entries(names).map(([name, bit]) => [name, (bits & bit) !== 0]);
  return Object.fromEntries(entries) as { [K in keyof N]: boolean };
}
