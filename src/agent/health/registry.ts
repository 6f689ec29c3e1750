import { DEGRADED_NAMES, DEGRADED_STATES, type DegradedName } from './degraded-states.ts';

/** Of one state so many are told apart, such as Services; more are counted only. */
export const TOLD_APART_MAX = 50;
const TEXT_CHARS_MAX = 500;
const PROBES_MAX = 100;

/** Something the agent is worse off by now. */
export interface Degraded {
  readonly state: DegradedName;
  /** Which of several, such as a Service or an address; '' where there is one only. */
  readonly about: string;
  /** When it began (Date.now). */
  readonly sinceMs: number;
  /** What is wrong, such as what the kernel said. */
  readonly text: string;
  readonly what: string;
  readonly todo: string;
}

/** What is wrong now with one part: nothing, one thing, or several by what each is about. */
export type Problems = string | undefined | ReadonlyMap<string, string>;

/** One thing that is wrong, for as long as it is. */
interface Entry {
  readonly sinceMs: number;
  text: string;
}

const NOTHING: ReadonlyMap<string, string> = new Map();

/**
 * How the agent is worse off than it should be. The parts say what is wrong now, never what changed, so
 * that nothing is left behind by an event that was missed: either they `report` it whenever it may be
 * otherwise, or they have a `probe` asked.
 */
export class HealthRegistry {
  readonly #entries = new Map<DegradedName, Map<string, Entry>>();
  readonly #counts = new Map<DegradedName, number>();
  readonly #probes = new Set<{ readonly state: DegradedName; readonly read: () => Problems }>();
  readonly #now: () => number;

  /** `now` gives the time in milliseconds since 1970. */
  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** Says all that is wrong in a way now. What was said before of the same state is over. */
  report(state: DegradedName, problems: Problems): void {
    const all = asMap(problems);
    const before = this.#entries.get(state);
    const entries = new Map<string, Entry>();
    for (const [about, whole] of all) {
      if (entries.size >= TOLD_APART_MAX) break;
      const text = whole.length > TEXT_CHARS_MAX ? `${whole.slice(0, TEXT_CHARS_MAX)}...` : whole;
      entries.set(about, { sinceMs: before?.get(about)?.sinceMs ?? this.#now(), text });
    }
    this.#entries.set(state, entries);
    this.#counts.set(state, all.size);
  }

  /** Says what is wrong about one of several, or that it is well; the others of the state stay. */
  reportOne(state: DegradedName, about: string, text: string | undefined): void {
    const texts = new Map([...(this.#entries.get(state) ?? [])].map(([key, e]) => [key, e.text]));
    if (text === undefined) texts.delete(about);
    else texts.set(about, text);
    this.report(state, texts);
  }

  /**
   * Has `read` asked what is wrong, each time somebody looks. A state that is probed is not reported
   * as well; several may probe the same. Gives what ends it, and with it what it said.
   */
  probe(state: DegradedName, read: () => Problems): Disposable {
    if (this.#probes.size >= PROBES_MAX) throw new RangeError(`more than ${PROBES_MAX} probes`);
    const probe = { state, read };
    this.#probes.add(probe);
    return {
      [Symbol.dispose]: () => {
        this.#probes.delete(probe);
        const isLast = ![...this.#probes].some((other) => other.state === state);
        if (isLast) this.report(state, undefined);
        else this.look();
      },
    };
  }

  /** Asks all probes. Whoever wants to know since when something is wrong has to look often. */
  look(): void {
    const found = new Map<DegradedName, Map<string, string>>();
    for (const { state, read } of this.#probes) {
      const all = found.get(state) ?? new Map<string, string>();
      for (const [about, text] of asMap(read())) all.set(about, text);
      found.set(state, all);
    }
    for (const [state, all] of found) this.report(state, all);
  }

  /** All that is wrong now, in the order of DEGRADED_STATES. */
  degraded(): readonly Degraded[] {
    this.look();
    return DEGRADED_NAMES.flatMap((state) =>
      [...(this.#entries.get(state) ?? [])].map(([about, { sinceMs, text }]) => ({
        state,
        about,
        sinceMs,
        text,
        ...DEGRADED_STATES[state],
      })),
    );
  }

  /** How many are wrong in each way, also those that are not told apart; all states are there. */
  counts(): ReadonlyMap<DegradedName, number> {
    this.look();
    return new Map(DEGRADED_NAMES.map((state) => [state, this.#counts.get(state) ?? 0]));
  }
}

function asMap(problems: Problems): ReadonlyMap<string, string> {
  if (problems === undefined) return NOTHING;
  return typeof problems === 'string' ? new Map([['', problems]]) : problems;
}
