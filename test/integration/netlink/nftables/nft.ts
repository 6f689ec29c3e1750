import { expect } from 'vitest';
import type { NetnsFixture } from '../../netns-fixture.ts';

/** What `nft -j list` prints: one object for each thing, under the name of its kind. */
export type NftObject = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** The namespace as nft(8) sees it. */
export class Nft {
  readonly #fixture: NetnsFixture;

  constructor(fixture: NetnsFixture) {
    this.#fixture = fixture;
  }

  /** Runs a script of nft(8). */
  load(script: string): void {
    this.#fixture.execInput(script, 'nft', '-f', '-');
  }

  /** What it prints of a table, as data; `name` stands where the table's name was. */
  table(family: string, name: string, standIn = name): NftObject[] {
    const text = this.#fixture.exec('nft', '-j', 'list', 'table', family, name);
    const { nftables } = JSON.parse(text) as { nftables: NftObject[] };
    return nftables
      .filter((object) => !('metainfo' in object))
      .map((object) =>
        Object.fromEntries(
          Object.entries(object).map(([kind, fields]) => [
            kind,
            withoutHandles(kind, fields, standIn),
          ]),
        ),
      );
  }

  /** What it prints of all tables, as text. */
  ruleset(): string {
    return this.#fixture.exec('nft', '-s', 'list', 'ruleset');
  }

  /** Whether what it prints is what it reads: loads the ruleset anew and compares. */
  expectReloads(): void {
    const before = this.ruleset();
    this.load(`flush ruleset\n${before}`);
    expect(this.ruleset()).toBe(before);
  }
}

function withoutHandles(
  kind: string,
  fields: Readonly<Record<string, unknown>>,
  table: string,
): Record<string, unknown> {
  const { handle: _, ...rest } = fields;
  return kind === 'table' ? { ...rest, name: table } : { ...rest, table };
}
