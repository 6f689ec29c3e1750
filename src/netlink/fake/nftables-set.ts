import { splitAttributes } from '../attribute.ts';
import { Writer } from '../writer.ts';
import { Refusal } from './answer.ts';
import { verdictChain } from './nftables-verdict.ts';
import { encodeRaw, equal, number, parseRaw, type RawAttributes } from './raw-attributes.ts';

/* linux/netfilter/nf_tables.h */
const NFTA_SET_DESC = 9;
const NFTA_SET_ELEM_KEY = 1;
const NFTA_SET_ELEM_DATA = 2;
const NFTA_SET_ELEM_FLAGS = 3;
const NFTA_SET_ELEM_KEY_END = 10;
const NFT_SET_ELEM_INTERVAL_END = 1;
const NFTA_SET_ELEM_LIST_TABLE = 1;
const NFTA_SET_ELEM_LIST_SET = 2;
const NFTA_SET_ELEM_LIST_ELEMENTS = 3;
const NFTA_LIST_ELEM = 1;
const NLA_F_NESTED = 0x8000;

/** Elements in one message of a dump. */
const ELEMENTS_PER_MESSAGE_MAX = 100;

const ENOENT = 2;
const EEXIST = 17;
const EINVAL = 22;

/** A set or map of a fake kernel. */
export class FakeSet {
  readonly #attributes: RawAttributes;
  /** What each element is, by what tells it from others. */
  readonly #elements: Map<string, RawAttributes>;

  constructor(attributes: RawAttributes, elements = new Map<string, RawAttributes>()) {
    this.#attributes = attributes;
    this.#elements = elements;
  }

  /** A copy to change while this one stays as it is. */
  copy(): FakeSet {
    return new FakeSet(this.#attributes, new Map(this.#elements));
  }

  /** The attributes of the set itself. */
  describe(): Uint8Array {
    return encodeRaw(this.#attributes, [NFTA_SET_DESC]);
  }

  /** Whether an element's verdict goes to the chain. */
  leadsTo(chain: string): boolean {
    return [...this.#elements.values()].some(
      (element) => verdictChain(element.get(NFTA_SET_ELEM_DATA)) === chain,
    );
  }

  /** Adds the elements of a message and gives the chains they lead to. Throws Refusal. */
  addElements(message: RawAttributes, exclusive: boolean): string[] {
    const chains: string[] = [];
    for (const element of elementsOf(message)) {
      const key = keyOf(element);
      const known = this.#elements.get(key);
      if (known !== undefined) {
        const differs = !equal(known.get(NFTA_SET_ELEM_DATA), element.get(NFTA_SET_ELEM_DATA));
        if (exclusive || differs) throw new Refusal(EEXIST);
        continue;
      }
      this.#elements.set(key, element);
      const chain = verdictChain(element.get(NFTA_SET_ELEM_DATA));
      if (chain !== undefined) chains.push(chain);
    }
    return chains;
  }

  /** Deletes the elements of a message, or all when it names none. Throws Refusal. */
  deleteElements(message: RawAttributes): void {
    if (!message.has(NFTA_SET_ELEM_LIST_ELEMENTS)) this.#elements.clear();
    for (const element of elementsOf(message)) {
      if (!this.#elements.delete(keyOf(element))) throw new Refusal(ENOENT);
    }
  }

  /** The elements in messages; `names` are the table and set of the request. */
  listElements(names: RawAttributes): Uint8Array[] {
    const all = [...this.#elements.values()];
    const messages: Uint8Array[] = [];
    for (let at = 0; at < all.length; at += ELEMENTS_PER_MESSAGE_MAX) {
      const list = new Writer();
      for (const element of all.slice(at, at + ELEMENTS_PER_MESSAGE_MAX)) {
        const nests = [NFTA_SET_ELEM_KEY, NFTA_SET_ELEM_DATA, NFTA_SET_ELEM_KEY_END];
        const bytes = encodeRaw(element, nests);
        list.u16(4 + bytes.length);
        list.u16(NFTA_LIST_ELEM | NLA_F_NESTED);
        list.raw(bytes);
        list.align();
      }
      const message = new Map<number, Uint8Array>();
      for (const id of [NFTA_SET_ELEM_LIST_TABLE, NFTA_SET_ELEM_LIST_SET]) {
        message.set(id, names.get(id) ?? new Uint8Array());
      }
      message.set(NFTA_SET_ELEM_LIST_ELEMENTS, list.bytes());
      messages.push(encodeRaw(message, [NFTA_SET_ELEM_LIST_ELEMENTS]));
    }
    return messages;
  }
}

function elementsOf(message: RawAttributes): RawAttributes[] {
  const list = message.get(NFTA_SET_ELEM_LIST_ELEMENTS) ?? new Uint8Array();
  return Array.from(splitAttributes(list), ({ bytes }) => parseRaw(bytes));
}

/** An interval's two ends are elements of their own, told apart by a flag or in one by a second key. */
function keyOf(element: RawAttributes): string {
  const key = element.get(NFTA_SET_ELEM_KEY);
  if (key === undefined) throw new Refusal(EINVAL);
  const flags = number(element.get(NFTA_SET_ELEM_FLAGS), false) ?? 0;
  const end = element.get(NFTA_SET_ELEM_KEY_END) ?? new Uint8Array();
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
  return `${hex(key)} ${flags & NFT_SET_ELEM_INTERVAL_END} ${hex(end)}`;
}
