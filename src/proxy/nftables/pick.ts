import { PodwireError } from '../../errors.ts';
import { CLASS_MAX } from './target.ts';

/** A way of picking one of `count` endpoints; with `stickySeconds` a client keeps its endpoint. */
export interface Pick {
  readonly count: number;
  readonly stickySeconds: number;
}

/** The chain that does it. */
export function chainOf({ count, stickySeconds }: Pick): string {
  return stickySeconds === 0 ? `pick-${count}` : `pick-${count}-sticky-${stickySeconds}`;
}

/** The pick a chain's name tells of; undefined for any other name. */
export function pickOf(chain: string): Pick | undefined {
  const match = /^pick-([1-9]\d{0,9})(?:-sticky-([1-9]\d{0,9}))?$/.exec(chain);
  if (match === null) return undefined;
  return { count: Number(match[1]), stickySeconds: Number(match[2] ?? 0) };
}

/** The map of clients that stick to an endpoint for so long. */
export function affinitySet(stickySeconds: number): string {
  return `affinity-${stickySeconds}`;
}

/** Below this a class that only picks one of N is N, for who reads the map. */
const PLAIN_MAX = 2047;

/** All classes are taken: there are more ways of picking than the kernel's map has room for. */
export class ClassesExhaustedError extends PodwireError {
  constructor(chain: string) {
    super('ERR_PROXY_CLASSES', `chain ${chain}: all ${CLASS_MAX} ways of picking are in use`);
  }
}

/** A class in use. */
interface Class {
  readonly classId: number;
  readonly pick: Pick;
}

/** Which class stands for which chain. A class lives as long as a pool uses it. */
export class ClassTable {
  readonly #byChain = new Map<string, Class>();
  readonly #users = new Map<string, number>();
  readonly #taken = new Set<number>();

  /** Takes over a class that the kernel has, so that it keeps its number. */
  adopt(chain: string, classId: number): void {
    const pick = pickOf(chain);
    if (this.#byChain.has(chain) || this.#taken.has(classId) || pick === undefined) return;
    this.#byChain.set(chain, { classId, pick });
    this.#taken.add(classId);
  }

  /** Counts one more user of a class and gives it. Throws ClassesExhaustedError. */
  acquire(pick: Pick): Class {
    const chain = chainOf(pick);
    const found = this.#byChain.get(chain) ?? this.#make(chain, pick);
    this.#users.set(chain, (this.#users.get(chain) ?? 0) + 1);
    return found;
  }

  /** Counts one user less. */
  release(pick: Pick): void {
    const chain = chainOf(pick);
    const users = (this.#users.get(chain) ?? 0) - 1;
    if (users > 0) {
      this.#users.set(chain, users);
      return;
    }
    this.#users.delete(chain);
  }

  /** The classes in use, by their chains. */
  *used(): Generator<readonly [string, number], undefined> {
    for (const [chain, { classId }] of this.#byChain) {
      if (this.#users.has(chain)) yield [chain, classId];
    }
  }

  /** Forgets the classes nobody uses any more. */
  prune(): void {
    for (const [chain, { classId }] of this.#byChain) {
      if (this.#users.has(chain)) continue;
      this.#byChain.delete(chain);
      this.#taken.delete(classId);
    }
  }

  #make(chain: string, pick: Pick): Class {
    const plain = pick.stickySeconds === 0 ? pick.count : CLASS_MAX;
    let classId = plain <= PLAIN_MAX && !this.#taken.has(plain) ? plain : PLAIN_MAX + 1;
    while (this.#taken.has(classId)) classId += 1;
    if (classId > CLASS_MAX) throw new ClassesExhaustedError(chain);
    const made = { classId, pick };
    this.#byChain.set(chain, made);
    this.#taken.add(classId);
    return made;
  }
}
