import type { Addr } from '../addr.ts';
import { Prefix } from '../prefix.ts';
import { Range } from '../range.ts';
import { Pool, type PoolSnapshot } from './pool.ts';

/** Subnets of one length out of larger ones, such as a /24 for each node out of a /16. */
export interface SubnetPoolOptions {
  /** Of one family, none in two of them. */
  readonly prefixes: readonly Prefix[];
  /** The prefix length of what is given. */
  readonly bits: number;
  /** A subnet that has any of these in it is never given. */
  readonly exclude?: Iterable<Addr | Prefix | Range>;
}

/** Gives out subnets of one length, as Pool gives addresses. */
export class SubnetPool {
  readonly #bits: number;
  readonly #pool: Pool;

  private constructor(bits: number, pool: Pool) {
    this.#bits = bits;
    this.#pool = pool;
  }

  /** Throws RangeError for no prefix, two families, an overlap, or a prefix longer than `bits`. */
  static of(options: SubnetPoolOptions): SubnetPool {
    return new SubnetPool(options.bits, Pool.of(poolOptions(options)));
  }

  /** A pool in which all that was held is held. Throws as Pool.restore does. */
  static restore(options: SubnetPoolOptions, snapshot: PoolSnapshot): SubnetPool {
    return new SubnetPool(options.bits, Pool.restore(poolOptions(options), snapshot));
  }

  get size(): bigint {
    return this.#pool.size;
  }

  get heldCount(): number {
    return this.#pool.heldCount;
  }

  isFree(prefix: Prefix): boolean {
    return this.#isUnit(prefix) && this.#pool.isFree(prefix.addr);
  }

  /** Takes this one; false when it is held, of another length, or not of the pool. */
  allocate(prefix: Prefix): boolean {
    return this.#isUnit(prefix) && this.#pool.allocate(prefix.addr);
  }

  /** Takes the first free one after the one allocated last, round once; undefined for none. */
  allocateNext(): Prefix | undefined {
    return this.#prefix(this.#pool.allocateNext());
  }

  /** Takes the lowest free one; undefined for none. */
  allocateLowest(): Prefix | undefined {
    return this.#prefix(this.#pool.allocateLowest());
  }

  /** Takes it back; false when it is not held. */
  release(prefix: Prefix): boolean {
    return this.#isUnit(prefix) && this.#pool.release(prefix.addr);
  }

  snapshot(): PoolSnapshot {
    return this.#pool.snapshot();
  }

  #isUnit(prefix: Prefix): boolean {
    return prefix.bits === this.#bits;
  }

  #prefix(addr: Addr | undefined): Prefix | undefined {
    return addr === undefined ? undefined : Prefix.of(addr, this.#bits);
  }
}

function poolOptions({ prefixes, ...rest }: SubnetPoolOptions) {
  return { ranges: prefixes.map((prefix) => Range.ofPrefix(prefix)), ...rest };
}
