import { type FakeEvent, type ObjectMessage, Refusal } from './answer.ts';
import { FakeTable, type Lookup } from './nftables-table.ts';
import { encodeRaw, fromU32, text } from './raw-attributes.ts';
import { type FakeRequest, splitPayload } from './request.ts';

const NFNL_SUBSYS_NFTABLES = 10;
/** enum nf_tables_msg_types. */
const NEWTABLE = 0;
const GETTABLE = 1;
const DELTABLE = 2;
const NEWCHAIN = 3;
const GETCHAIN = 4;
const DELCHAIN = 5;
const NEWRULE = 6;
const GETRULE = 7;
const DELRULE = 8;
const NEWSET = 9;
const GETSET = 10;
const DELSET = 11;
const NEWSETELEM = 12;
const GETSETELEM = 13;
const DELSETELEM = 14;
const NEWGEN = 15;
const GETGEN = 16;
/** The DESTROY of an object is its DEL, except that it may be gone already. */
const DESTROY: Readonly<Record<number, number>> = {
  26: DELTABLE,
  27: DELCHAIN,
  28: DELRULE,
  29: DELSET,
  30: DELSETELEM,
};

const NFNLGRP_NFTABLES = 7;
const HEADER_BYTES = 4; // struct nfgenmsg
const NFTA_TABLE_NAME = 1;
/** In every other object's attributes, the table is the first. */
const NFTA_TABLE = 1;
const NFTA_GEN_ID = 1;

const ENOENT = 2;
const EEXIST = 17;
const EOPNOTSUPP = 95;

type Tables = Map<string, FakeTable>;

/** nf_tables of a fake kernel. */
export class FakeNftables {
  #tables: Tables = new Map();
  #generation = 1;

  isGet(type: number): boolean {
    return [GETTABLE, GETCHAIN, GETRULE, GETSET, GETSETELEM, GETGEN].includes(type & 0xff);
  }

  get(request: FakeRequest): ObjectMessage[] {
    const { header, attributes } = splitPayload(request.payload, HEADER_BYTES);
    const family = header.getUint8(0);
    const what = request.type & 0xff;
    if (what === GETGEN) return [this.#generationMessage()];
    const name = text(attributes.get(NFTA_TABLE));
    const tables = [...this.#tables.values()].filter(
      (table) =>
        (family === 0 || table.family === family) && (name === undefined || table.name === name),
    );
    if (!request.isDump && tables.length === 0) throw new Refusal(ENOENT);
    if (what === GETSETELEM && tables.length === 0) throw new Refusal(ENOENT);
    const lookup: Lookup = { attributes, isDump: request.isDump };
    return tables.flatMap((table) => {
      const payloads = listed(table, what, lookup);
      // The answer to a GET is a NEW.
      return payloads.map((payload) => objectMessage(what - 1, table.family, payload));
    });
  }

  /** Changes outside a batch, of which the kernel takes none. */
  change(): FakeEvent[] {
    throw new Refusal(EOPNOTSUPP);
  }

  /** A transaction: `change` as often as wanted, then `commit`, or nothing of it. */
  begin(): { change: (request: FakeRequest) => FakeEvent[]; commit: () => FakeEvent[] } {
    const tables: Tables = new Map(this.#tables);
    const touched = new Set<string>();
    return {
      change: (request) => change(tables, touched, request),
      commit: () => {
        this.#tables = tables;
        this.#generation += 1;
        return [{ group: NFNLGRP_NFTABLES, ...this.#generationMessage() }];
      },
    };
  }

  /** What ends the events of a transaction. */
  #generationMessage(): ObjectMessage {
    const payload = encodeRaw(new Map([[NFTA_GEN_ID, fromU32(this.#generation, false)]]));
    return objectMessage(NEWGEN, 0, payload);
  }
}

function listed(table: FakeTable, what: number, lookup: Lookup): Uint8Array[] {
  switch (what) {
    case GETTABLE:
      return [table.describe()];
    case GETCHAIN:
      return table.chains(lookup);
    case GETRULE:
      return table.rules(lookup);
    case GETSET:
      return table.sets(lookup);
    default:
      return table.elements(lookup);
  }
}

function change(tables: Tables, touched: Set<string>, request: FakeRequest): FakeEvent[] {
  const { header, attributes } = splitPayload(request.payload, HEADER_BYTES);
  const family = header.getUint8(0);
  const message = request.type & 0xff;
  const what = DESTROY[message] ?? message;
  try {
    apply();
  } catch (error) {
    const isGone = error instanceof Refusal && error.errno === ENOENT;
    if (!isGone || what === message) throw error;
    return [];
  }
  const payload = request.payload.slice(HEADER_BYTES);
  return [{ group: NFNLGRP_NFTABLES, ...objectMessage(what, family, payload) }];

  function apply(): void {
    const name = text(attributes.get(NFTA_TABLE_NAME));
    if (what === DELTABLE && name === undefined) {
      for (const [key, table] of tables) if (table.family === family) tables.delete(key);
      return;
    }
    const key = `${family} ${name}`;
    const known = tables.get(key);
    if (what === NEWTABLE) {
      if (known !== undefined && request.exclusive) throw new Refusal(EEXIST);
      if (known === undefined) tables.set(key, FakeTable.create(family, name ?? '', attributes));
      touched.add(key);
      return;
    }
    if (known === undefined) throw new Refusal(ENOENT);
    if (what === DELTABLE) {
      tables.delete(key);
      return;
    }
    // The first change of a transaction to a table is made to a copy.
    const table = touched.has(key) ? known : known.copy();
    touched.add(key);
    tables.set(key, table);
    applyToTable(table, what, request, attributes);
  }
}

function applyToTable(
  table: FakeTable,
  what: number,
  request: FakeRequest,
  attributes: Lookup['attributes'],
): void {
  switch (what) {
    case NEWCHAIN:
      table.chainAdd(attributes, request);
      break;
    case DELCHAIN:
      table.chainDel(attributes);
      break;
    case NEWRULE:
      table.ruleAdd(attributes, request);
      break;
    case DELRULE:
      table.ruleDel(attributes);
      break;
    case NEWSET:
      table.setAdd(attributes, request);
      break;
    case DELSET:
      table.setDel(attributes);
      break;
    case NEWSETELEM:
      table.elementsAdd(attributes, request);
      break;
    case DELSETELEM:
      table.elementsDel(attributes);
      break;
    default:
      throw new Refusal(EOPNOTSUPP);
  }
}

function objectMessage(what: number, family: number, attributes: Uint8Array): ObjectMessage {
  return {
    type: (NFNL_SUBSYS_NFTABLES << 8) | what,
    payload: Buffer.concat([Uint8Array.of(family, 0, 0, 0), attributes]),
  };
}
