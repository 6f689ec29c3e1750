import { splitAttributes } from '../attribute.ts';
import { Refusal } from './answer.ts';
import { FakeSet } from './nftables-set.ts';
import { verdictChain } from './nftables-verdict.ts';
import {
  encodeRaw,
  fromText,
  fromU32,
  number,
  parseRaw,
  type RawAttributes,
  text,
} from './raw-attributes.ts';
import type { FakeRequest } from './request.ts';

/* linux/netfilter/nf_tables.h */
const NFTA_TABLE_NAME = 1;
const NFTA_TABLE_HANDLE = 4;
const NFTA_CHAIN_HANDLE = 2;
const NFTA_CHAIN_NAME = 3;
const NFTA_CHAIN_HOOK = 4;
const NFTA_CHAIN_POLICY = 5;
const NFTA_RULE_CHAIN = 2;
const NFTA_RULE_HANDLE = 3;
const NFTA_RULE_EXPRESSIONS = 4;
const NFTA_RULE_POSITION = 6;
const NFTA_SET_TABLE = 1;
const NFTA_SET_NAME = 2;
const NFTA_SET_HANDLE = 16;
const NFTA_EXPR_NAME = 1;
const NFTA_EXPR_DATA = 2;
/** In a lookup and in a dynset, the name of the set is the first. */
const NFTA_EXPR_SET = 1;
const NFTA_IMMEDIATE_DATA = 2;
const NF_ACCEPT = 1;

const ENOENT = 2;
const EBUSY = 16;
const EEXIST = 17;

/** What is asked for: an object by name, or with `isDump` all of them, filtered by what is given. */
export interface Lookup {
  readonly attributes: RawAttributes;
  readonly isDump: boolean;
}

interface FakeRule {
  readonly handle: number;
  readonly attributes: RawAttributes;
}

interface FakeChain {
  readonly attributes: RawAttributes;
  readonly handle: number;
  readonly rules: readonly FakeRule[];
}

/** A table of a fake kernel with all that is in it. */
export class FakeTable {
  readonly family: number;
  readonly name: string;
  readonly #attributes: RawAttributes;
  readonly #chains: Map<string, FakeChain>;
  readonly #sets: Map<string, FakeSet>;
  /** Sets that this copy of the table may change. */
  readonly #ownSets = new Set<string>();
  #nextHandle: number;

  private constructor(
    family: number,
    name: string,
    attributes: RawAttributes,
    contents: { chains: Map<string, FakeChain>; sets: Map<string, FakeSet>; nextHandle: number },
  ) {
    this.family = family;
    this.name = name;
    this.#attributes = attributes;
    this.#chains = contents.chains;
    this.#sets = contents.sets;
    this.#nextHandle = contents.nextHandle;
  }

  static create(family: number, name: string, attributes: RawAttributes): FakeTable {
    const contents = { chains: new Map(), sets: new Map(), nextHandle: 1 };
    return new FakeTable(family, name, attributes, contents);
  }

  /** A copy to change while this one stays as it is. */
  copy(): FakeTable {
    return new FakeTable(this.family, this.name, this.#attributes, {
      chains: new Map(this.#chains),
      sets: new Map(this.#sets),
      nextHandle: this.#nextHandle,
    });
  }

  /** The attributes of the table itself. */
  describe(): Uint8Array {
    const own = new Map(this.#attributes);
    own.set(NFTA_TABLE_NAME, fromText(this.name));
    own.set(NFTA_TABLE_HANDLE, handleBytes(1));
    return encodeRaw(own);
  }

  chains({ attributes, isDump }: Lookup): Uint8Array[] {
    const name = isDump ? undefined : text(attributes.get(NFTA_CHAIN_NAME));
    const chains = [...this.#chains].filter(([each]) => name === undefined || each === name);
    if (!isDump && chains.length === 0) throw new Refusal(ENOENT);
    return chains.map(([, chain]) => {
      const own = new Map(chain.attributes);
      own.set(NFTA_CHAIN_HANDLE, handleBytes(chain.handle));
      if (own.has(NFTA_CHAIN_HOOK) && !own.has(NFTA_CHAIN_POLICY)) {
        own.set(NFTA_CHAIN_POLICY, fromU32(NF_ACCEPT, false));
      }
      return encodeRaw(own, [NFTA_CHAIN_HOOK]);
    });
  }

  rules({ attributes }: Lookup): Uint8Array[] {
    const chain = text(attributes.get(NFTA_RULE_CHAIN));
    return [...this.#chains]
      .filter(([name]) => chain === undefined || name === chain)
      .flatMap(([, { rules }]) => rules)
      .map((rule) => encodeRaw(rule.attributes, [NFTA_RULE_EXPRESSIONS]));
  }

  sets({ attributes, isDump }: Lookup): Uint8Array[] {
    const name = isDump ? undefined : text(attributes.get(NFTA_SET_NAME));
    const sets = [...this.#sets].filter(([each]) => name === undefined || each === name);
    if (!isDump && sets.length === 0) throw new Refusal(ENOENT);
    return sets.map(([, set]) => set.describe());
  }

  elements({ attributes }: Lookup): Uint8Array[] {
    return this.#set(text(attributes.get(NFTA_SET_NAME))).listElements(attributes);
  }

  chainAdd(attributes: RawAttributes, request: FakeRequest): void {
    const name = text(attributes.get(NFTA_CHAIN_NAME)) ?? '';
    if (this.#chains.has(name)) {
      if (request.exclusive) throw new Refusal(EEXIST);
      return;
    }
    this.#chains.set(name, { attributes, handle: this.#handle(), rules: [] });
  }

  chainDel(attributes: RawAttributes): void {
    const name = this.#chainName(attributes);
    if (this.#isJumpedTo(name)) throw new Refusal(EBUSY);
    this.#chains.delete(name);
  }

  ruleAdd(attributes: RawAttributes, request: FakeRequest): void {
    const name = text(attributes.get(NFTA_RULE_CHAIN)) ?? '';
    const chain = this.#chain(name);
    this.#checkReferences(attributes);
    const handle = this.#handle();
    const own = new Map(attributes);
    const position = number(own.get(NFTA_RULE_POSITION), false);
    const replaced = request.replace ? number(own.get(NFTA_RULE_HANDLE), false) : undefined;
    own.set(NFTA_RULE_HANDLE, handleBytes(handle));
    own.delete(NFTA_RULE_POSITION);
    const rules = [...chain.rules];
    const at = place(rules, position, replaced, request.append);
    rules.splice(at, replaced === undefined ? 0 : 1, { handle, attributes: own });
    this.#chains.set(name, { ...chain, rules });
  }

  /** One rule by its handle, those of a chain, or all. */
  ruleDel(attributes: RawAttributes): void {
    const name = text(attributes.get(NFTA_RULE_CHAIN));
    const handle = number(attributes.get(NFTA_RULE_HANDLE), false);
    const chains = name === undefined ? [...this.#chains.keys()] : [name];
    for (const each of chains) {
      const chain = this.#chain(each);
      const rules = chain.rules.filter((rule) => handle !== undefined && rule.handle !== handle);
      if (handle !== undefined && rules.length === chain.rules.length) throw new Refusal(ENOENT);
      this.#chains.set(each, { ...chain, rules });
    }
  }

  setAdd(attributes: RawAttributes, request: FakeRequest): void {
    const name = text(attributes.get(NFTA_SET_NAME)) ?? '';
    if (this.#sets.has(name)) {
      if (request.exclusive) throw new Refusal(EEXIST);
      return;
    }
    const own = new Map(attributes);
    own.set(NFTA_SET_TABLE, fromText(this.name));
    own.set(NFTA_SET_HANDLE, handleBytes(this.#handle()));
    this.#sets.set(name, new FakeSet(own));
    this.#ownSets.add(name);
  }

  setDel(attributes: RawAttributes): void {
    const name = text(attributes.get(NFTA_SET_NAME)) ?? '';
    this.#set(name);
    const isUsed = this.#allRules().some((rule) => references(rule.attributes).sets.includes(name));
    if (isUsed) throw new Refusal(EBUSY);
    this.#sets.delete(name);
  }

  elementsAdd(attributes: RawAttributes, request: FakeRequest): void {
    const set = this.#ownSet(text(attributes.get(NFTA_SET_NAME)));
    const wanted = set.addElements(attributes, request.exclusive);
    for (const chain of wanted) this.#chain(chain);
  }

  elementsDel(attributes: RawAttributes): void {
    this.#ownSet(text(attributes.get(NFTA_SET_NAME))).deleteElements(attributes);
  }

  #handle(): number {
    this.#nextHandle += 1;
    return this.#nextHandle;
  }

  #chain(name: string): FakeChain {
    const chain = this.#chains.get(name);
    if (chain === undefined) throw new Refusal(ENOENT);
    return chain;
  }

  #chainName(attributes: RawAttributes): string {
    const handle = number(attributes.get(NFTA_CHAIN_HANDLE), false);
    const byHandle = [...this.#chains].find(([, chain]) => chain.handle === handle)?.[0];
    const name = text(attributes.get(NFTA_CHAIN_NAME)) ?? byHandle ?? '';
    this.#chain(name);
    return name;
  }

  #set(name: string | undefined): FakeSet {
    const set = this.#sets.get(name ?? '');
    if (set === undefined) throw new Refusal(ENOENT);
    return set;
  }

  #ownSet(name = ''): FakeSet {
    const set = this.#set(name);
    if (this.#ownSets.has(name)) return set;
    const copy = set.copy();
    this.#ownSets.add(name);
    this.#sets.set(name, copy);
    return copy;
  }

  #allRules(): FakeRule[] {
    return [...this.#chains.values()].flatMap((chain) => chain.rules);
  }

  #isJumpedTo(chain: string): boolean {
    const others = [...this.#chains].filter(([name]) => name !== chain);
    return (
      others.some(([, { rules }]) =>
        rules.some((rule) => references(rule.attributes).chains.includes(chain)),
      ) || [...this.#sets.values()].some((set) => set.leadsTo(chain))
    );
  }

  #checkReferences(attributes: RawAttributes): void {
    const { sets, chains } = references(attributes);
    for (const set of sets) this.#set(set);
    for (const chain of chains) this.#chain(chain);
  }
}

/** Where a new rule goes: after or before the one at `position`, or at the end or the beginning. */
function place(
  rules: readonly FakeRule[],
  position: number | undefined,
  replaced: number | undefined,
  append: boolean,
): number {
  const beside = replaced ?? position;
  if (beside === undefined) return append ? rules.length : 0;
  const at = rules.findIndex((rule) => rule.handle === beside);
  if (at < 0) throw new Refusal(ENOENT);
  return at + (append && replaced === undefined ? 1 : 0);
}

/** The sets a rule looks into and the chains it goes to. */
function references(rule: RawAttributes): { sets: string[]; chains: string[] } {
  const sets: string[] = [];
  const chains: string[] = [];
  for (const item of splitAttributes(rule.get(NFTA_RULE_EXPRESSIONS) ?? new Uint8Array())) {
    const expression = parseRaw(item.bytes);
    const name = text(expression.get(NFTA_EXPR_NAME));
    const data = parseRaw(expression.get(NFTA_EXPR_DATA) ?? new Uint8Array());
    if (name === 'lookup' || name === 'dynset') sets.push(text(data.get(NFTA_EXPR_SET)) ?? '');
    const chain = name === 'immediate' ? verdictChain(data.get(NFTA_IMMEDIATE_DATA)) : undefined;
    if (chain !== undefined) chains.push(chain);
  }
  return { sets, chains };
}

function handleBytes(handle: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(handle));
  return bytes;
}
