import type { Rdata } from '../wire/rdata.ts';

/**
 * Names and their records, before they are packed for the workers. Names are in lower case and
 * without a dot at the end. A name between two others exists without records (RFC 8020).
 */
export class Zone {
  readonly #names = new Map<string, Rdata[]>();
  readonly #apexes = new Set<string>();

  /** Makes `apex` a zone: what is below it and not there does not exist. */
  addApex(apex: string, records: readonly Rdata[]): void {
    this.#apexes.add(apex);
    for (const record of records) this.add(apex, record);
  }

  /** Adds a record, unless an equal one is there. */
  add(name: string, record: Rdata): void {
    const records = this.#records(name);
    const isKnown = records.some(
      (each) => each.type === record.type && each.bytes.toHex() === record.bytes.toHex(),
    );
    if (!isKnown) records.push(record);
  }

  /** Makes a name exist, and all between it and its zone. */
  addName(name: string): void {
    this.#records(name);
  }

  isApex(name: string): boolean {
    return this.#apexes.has(name);
  }

  recordsOf(name: string): readonly Rdata[] {
    return this.#names.get(name) ?? [];
  }

  /** Every name that exists. */
  names(): readonly string[] {
    return [...this.#names.keys()];
  }

  #records(name: string): Rdata[] {
    const known = this.#names.get(name);
    if (known !== undefined) return known;
    const records: Rdata[] = [];
    this.#names.set(name, records);
    if (!this.#apexes.has(name)) {
      const dot = name.indexOf('.');
      if (dot >= 0) this.#records(name.slice(dot + 1));
    }
    return records;
  }
}
