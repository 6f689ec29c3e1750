import { hasLegacyTables } from '../../iptables/detect.ts';
import type { Flavour } from '../../iptables/programs.ts';
import { type NftablesChange, watchRuleset } from '../../netlink/nftables/watch.ts';
import { SysError } from '../../sys/errno.ts';
import type { Netns } from '../../sys/netns.ts';
import { xtablesInfo } from '../../sys/xtables-info.ts';

const TABLES = ['filter', 'nat', 'mangle'] as const;
const FAMILIES = [4, 6] as const;
/** Counting is a few system calls. */
const COUNT_PERIOD_MS = 500;
/** Processes of ours that are remembered; what they did is told soon after they ended. */
const OWN_PROCESSES_MAX = 64;

/**
 * Tells when somebody else changed our rules. Of those that are nftables underneath the kernel tells
 * every change; the older tables are counted twice a second, and read where a count is another.
 */
export class TableWatch implements Disposable {
  readonly #flavour: Flavour | undefined;
  readonly #netns: Netns | undefined;
  readonly #isIntact: () => Promise<boolean>;
  readonly #own = new Set<number>();
  #onDrift: (() => void) | undefined;
  #opened: Disposable | undefined;
  #counts = '';
  #paused = 0;
  #isUntouched = false;
  #checking = false;

  /** `isIntact` reads the rules and compares them. */
  constructor(
    flavour: Flavour | undefined,
    netns: Netns | undefined,
    isIntact: () => Promise<boolean>,
  ) {
    this.#flavour = flavour;
    this.#netns = netns;
    this.#isIntact = isIntact;
  }

  /** Calls `onDrift` soon after somebody changed our rules. */
  open(onDrift: () => void): Disposable {
    this.#onDrift = onDrift;
    this.#opened?.[Symbol.dispose]();
    this.#opened = this.#flavour === 'legacy' ? this.#openCounting() : this.#openEvents();
    return this;
  }

  /** A process that changes rules for us. */
  ownProcess(pid: number): void {
    this.#own.add(pid);
    const [oldest] = this.#own;
    if (this.#own.size > OWN_PROCESSES_MAX && oldest !== undefined) this.#own.delete(oldest);
  }

  /** Whether it is certain that nobody changed a thing since the rules were last compared. */
  isUntouched(): boolean {
    // Of which kind the only one installed is nobody said.
    if (this.#opened === undefined || this.#flavour === undefined) return false;
    if (this.#flavour === 'legacy') return this.#count() === this.#counts;
    const was = this.#isUntouched;
    // What came before it was open nobody told: the first time they are read.
    this.#isUntouched = true;
    return was;
  }

  /** Until it is disposed of, what changes is ours. */
  pause(): Disposable {
    this.#paused += 1;
    return {
      [Symbol.dispose]: () => {
        this.#paused -= 1;
        if (this.#flavour === 'legacy') this.#counts = this.#count();
      },
    };
  }

  [Symbol.dispose](): void {
    this.#opened?.[Symbol.dispose]();
    this.#opened = undefined;
  }

  #openEvents(): Disposable {
    this.#isUntouched = false;
    return watchRuleset(this.#netns, {
      concerns: isOurs,
      onTransaction: ({ processId }, isConcerned) => {
        if (isConcerned && !this.#own.has(processId)) this.#drifted();
      },
      onLost: () => this.#drifted(),
    });
  }

  #drifted(): void {
    this.#isUntouched = false;
    this.#onDrift?.();
  }

  #openCounting(): Disposable {
    this.#counts = this.#count();
    const timer = setInterval(() => {
      if (this.#paused > 0 || this.#checking || this.#count() === this.#counts) return;
      this.#checking = true;
      void this.#compare().finally(() => {
        this.#checking = false;
      });
    }, COUNT_PERIOD_MS);
    return { [Symbol.dispose]: () => clearInterval(timer) };
  }

  /** Others have rules in these tables too, and most of what they do is none of our concern. */
  async #compare(): Promise<void> {
    const counts = this.#count();
    let isIntact = false;
    try {
      isIntact = await this.#isIntact();
    } catch {
      // What can't be read is tried again by the sync, which says why.
    }
    if (this.#paused > 0) return;
    if (isIntact) this.#counts = counts;
    else this.#drifted();
  }

  /** The sizes of all tables, as text. */
  #count(): string {
    const count = (): string =>
      FAMILIES.filter(hasLegacyTables)
        .flatMap((family) => TABLES.map((table) => sizeOf(family, table)))
        .join(' ');
    return this.#netns === undefined ? count() : this.#netns.run(count);
  }
}

/** Or why it can't be told, as where the kernel has no such table: the rules are read when that changes. */
function sizeOf(family: 4 | 6, table: string): string {
  try {
    const { entries, sizeBytes } = xtablesInfo(family, table);
    return `${entries}/${sizeBytes}`;
  } catch (error) {
    if (error instanceof SysError) return error.message;
    throw error;
  }
}

/** Whether a change is one of our chains, or may have taken away what leads to them. */
function isOurs(event: NftablesChange): boolean {
  const { table, action } = event;
  if (table.family !== 'ip' && table.family !== 'ip6') return false;
  if (!(TABLES as readonly string[]).includes(table.name)) return false;
  if (event.kind === 'table') return action === 'delete';
  if (event.kind === 'chain') return event.value.name.startsWith('KUBE-');
  if (event.kind !== 'rule') return false;
  return event.value.chain.startsWith('KUBE-') || action === 'delete';
}
