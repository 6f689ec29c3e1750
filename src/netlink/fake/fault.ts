/** What goes wrong with a request. */
export type Fault =
  /** The kernel says no, and nothing is done. */
  | { readonly kind: 'refuse'; readonly errno: number; readonly extack?: string }
  /** The kernel marks the dump as interrupted by a change (NLM_F_DUMP_INTR). */
  | { readonly kind: 'interrupt-dump' }
  /** It is carried out, and the kernel has no room for the answer: ENOBUFS. */
  | { readonly kind: 'lose-answer' }
  /** It is carried out, and no answer ever comes. */
  | { readonly kind: 'no-answer' }
  /** Of a batch of messages only the first `messages` arrive, as if the sender died. */
  | { readonly kind: 'cut-batch'; readonly messages: number };

/** Which requests a fault befalls. */
export interface FaultTarget {
  /** The message type, such as RTM_NEWLINK 16; without it any. */
  readonly type?: number;
  /** How many requests, 1 unless told. */
  readonly times?: number;
  /** How many are let through before. */
  readonly after?: number;
}

/** Faults in the order they were scripted. */
export class Script {
  readonly #entries: { fault: Fault; type: number | undefined; skip: number; left: number }[] = [];

  add(fault: Fault, target: FaultTarget): void {
    const { type, times = 1, after = 0 } = target;
    this.#entries.push({ fault, type, skip: after, left: times });
  }

  /** The fault for a request of `type`, used up by asking; only those of the `kinds` asked for. */
  take<K extends Fault['kind']>(
    type: number,
    ...kinds: K[]
  ): Extract<Fault, { kind: K }> | undefined {
    for (const entry of this.#entries) {
      const { fault } = entry;
      const befalls = entry.type === undefined || entry.type === type;
      if (!befalls || entry.left === 0 || !isOneOf(fault, kinds)) continue;
      if (entry.skip > 0) {
        entry.skip -= 1;
        continue;
      }
      entry.left -= 1;
      return fault;
    }
    return undefined;
  }

  /** What was scripted and has not happened, for a test to see that it reached what it meant to. */
  get pending(): number {
    return this.#entries.reduce((sum, { left }) => sum + left, 0);
  }
}

function isOneOf<K extends Fault['kind']>(
  fault: Fault,
  kinds: readonly K[],
): fault is Extract<Fault, { kind: K }> {
  return (kinds as readonly string[]).includes(fault.kind);
}
