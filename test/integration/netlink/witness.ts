import { expect, it, vi } from 'vitest';
import { RouteConnection } from '../../../src/netlink/route/connection.ts';
import { type NetnsFixture, useNetns } from '../netns-fixture.ts';

/** Some states, such as whether a link is operational, the kernel works out a moment later. */
const SETTLED_TIMEOUT_MS = 10_000;

/** An object made twice: by us, and in another namespace by the program that is its witness. */
export interface WitnessCase {
  readonly title: string;
  /** Command lines that run in both namespaces first. */
  readonly given?: readonly string[];
  readonly ours: (connection: RouteConnection, netns: NetnsFixture) => void;
  /** The command lines of iproute2 that do the same. */
  readonly theirs: readonly string[];
  /** The command line that prints the object, as JSON unless the comparison reads something else. */
  readonly shown: string;
}

/** One object as a program of iproute2 prints it. */
export type Printed = Readonly<Record<string, unknown>>;

/** How the objects of one kind are compared. */
export interface Comparison<C extends WitnessCase> {
  /** Our decoded objects, in the words of the program: the whole of what it prints of them. */
  readonly seen: (connection: RouteConnection, each: C) => readonly Printed[];
  /** The program's words without what cannot be compared; undefined for an object that is not ours. */
  readonly printed?: (object: Printed, each: C) => Printed | undefined;
  /** Reads what is printed where that is not plain JSON. */
  readonly parse?: (text: string) => Printed[];
}

/**
 * One test for each case: what we made is printed as what they made, and our decoding of both says,
 * field by field, what is printed.
 */
export function witness<C extends WitnessCase>(
  tag: string,
  cases: readonly C[],
  {
    seen,
    printed = (object) => object,
    parse = (text) => JSON.parse(text) as Printed[],
  }: Comparison<C>,
): void {
  const us = useNetns(`${tag}-us`);
  const them = useNetns(`${tag}-them`);
  it.each(cases)('$title', async (each) => {
    const show = (netns: NetnsFixture): Printed[] =>
      parse(run(netns, each.shown))
        .map((object) => printed(object, each))
        .filter((object) => object !== undefined);
    for (const netns of [us, them]) for (const line of each.given ?? []) run(netns, line);
    using ours = RouteConnection.open(us.netns);
    using theirs = RouteConnection.open(them.netns);
    each.ours(ours, us);
    for (const line of each.theirs) run(them, line);
    await vi.waitFor(
      () => {
        const shown = show(us);
        expect(shown.length).toBeGreaterThan(0);
        expect(shown).toEqual(show(them));
        expect(seen(ours, each)).toEqual(shown);
        expect(seen(theirs, each)).toEqual(shown);
      },
      { timeout: SETTLED_TIMEOUT_MS },
    );
  });
}

/** Runs a command line whose arguments have no spaces in them. */
export function run(netns: NetnsFixture, line: string): string {
  const [program = '', ...args] = line.split(' ');
  return netns.exec(program, ...args);
}

/** `object` without some of its fields. */
export function without(object: Printed, ...fields: readonly string[]): Printed {
  return Object.fromEntries(Object.entries(object).filter(([field]) => !fields.includes(field)));
}

/** `object` without the fields that are undefined, as JSON has it. */
export function present(object: Readonly<Record<string, unknown>>): Printed {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
}
