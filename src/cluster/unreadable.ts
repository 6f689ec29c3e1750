/** Objects that can't be read are counted up to here. */
const UNREADABLE_MAX = 1_000;

/** The objects of a source that can't be read, and what is wrong with each. They block no others. */
export class UnreadableObjects {
  readonly #problems = new Map<string, string>();
  readonly #onChange: () => void;

  /** `onChange` is called when one was added, has another problem now, or was taken away. */
  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  /** What is wrong with the first of them. */
  get first(): string | undefined {
    const [problem] = this.#problems.values();
    return problem;
  }

  /** It can't be read; `problem` names it. */
  add(key: string, problem: string): void {
    if (this.#problems.size >= UNREADABLE_MAX && !this.#problems.has(key)) return;
    this.#problems.set(key, problem);
    this.#onChange();
  }

  /** It can be read now, or is gone. */
  delete(key: string): void {
    if (this.#problems.delete(key)) this.#onChange();
  }

  /** All others than these are gone. */
  keep(keys: ReadonlySet<string>): void {
    for (const key of this.#problems.keys()) if (!keys.has(key)) this.delete(key);
  }
}
