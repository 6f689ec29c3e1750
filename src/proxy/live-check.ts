/** Something that a packet meets, as it shall be and as the kernel has it: an element, a rule, a chain. */
export interface LiveCheck {
  /** The set or map, or the chain. */
  readonly set: string;
  readonly element: string;
  readonly state: 'same' | 'missing' | 'extra' | 'different';
  /** What it shall hold; undefined when it shall not be there. */
  readonly wanted: string | undefined;
  /** What the kernel has; undefined when it has none. */
  readonly actual: string | undefined;
}

/** A difference between what is wanted and what is there, if either is. */
export function check(
  set: string,
  element: string,
  wanted: string | undefined,
  actual: string | undefined,
): LiveCheck[] {
  if (wanted === undefined && actual === undefined) return [];
  const state =
    wanted === actual
      ? 'same'
      : wanted === undefined
        ? 'extra'
        : actual === undefined
          ? 'missing'
          : 'different';
  return [{ set, element, state, wanted, actual }];
}
