/** The bits that `names` stand for in `table`. */
export function bitsOf<K extends string>(
  table: Readonly<Record<K, number>>,
  names: readonly K[],
): number {
  return names.reduce((bits, name) => (bits | table[name]) >>> 0, 0);
}

/** The names in `table`, in its order, of the bits that are set. */
export function namesOf<K extends string>(
  table: Readonly<Record<K, number>>,
  bits: number,
): readonly K[] {
  return (Object.keys(table) as K[]).filter((name) => (bits & table[name]) !== 0);
}

/** The bits of those names in `table` that are true in `flags`. */
export function bitsWhereTrue<K extends string>(
  table: Readonly<Record<K, number>>,
  flags: { readonly [N in NoInfer<K>]?: boolean | undefined },
): number {
  return bitsOf(
    table,
    (Object.keys(table) as K[]).filter((name) => flags[name] === true),
  );
}

/** Every name in `table`, with whether its bit is set. */
export function flagsOf<K extends string>(
  table: Readonly<Record<K, number>>,
  bits: number,
): { readonly [N in K]: boolean } {
  const entries = (Object.keys(table) as K[]).map((name) => [name, (bits & table[name]) !== 0]);
  return Object.fromEntries(entries) as { [N in K]: boolean };
}
