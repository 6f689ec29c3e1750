import type { Table } from '../table/table.ts';
import { HEADER_BYTES, TYPE } from '../wire/constants.ts';
import { putU16 } from '../wire/octets.ts';
import { Answerer, type AnswererOptions, UDP_BYTES_MAX } from './answer.ts';
import { Routes } from './routes.ts';

/** Until the compiler has done its work an answer takes a hundred times longer. */
const WARM_UP_MS = 100;
const ROUNDS_MAX = 20_000;
const TYPES = [TYPE.A, TYPE.AAAA, TYPE.SRV, TYPE.NS, TYPE.SOA, TYPE.PTR];

/** Answers made-up queries on this thread, so that the first that count are answered quickly. */
export function warmUp(tables: readonly Table[], options: AnswererOptions): void {
  const [table] = tables;
  if (table === undefined) return;
  const routes = Routes.of(table);
  const answerer = new Answerer(options);
  const reply = new Uint8Array(UDP_BYTES_MAX);
  const requests = table.source.zones.flatMap(({ name }) =>
    ['', 'ns.dns', 'none.none.svc', 'dns-version'].flatMap((prefix) =>
      TYPES.map((type) => queryFor(prefix, name, type)),
    ),
  );
  const end = performance.now() + WARM_UP_MS;
  for (let round = 0; round < ROUNDS_MAX && performance.now() < end; round += 1) {
    for (const request of requests) answerer.answer(routes, request, request.length, reply, false);
  }
}

function queryFor(prefix: string, zone: Uint8Array, type: number): Uint8Array {
  const labels = prefix === '' ? [] : prefix.split('.');
  const head = labels.flatMap((label) => [label.length, ...new TextEncoder().encode(label)]);
  const opt = [0, 0, TYPE.OPT, 4, 208, 0, 0, 0, 0, 0, 0];
  const bytes = Uint8Array.of(
    ...new Uint8Array(HEADER_BYTES),
    ...head,
    ...zone,
    0,
    type,
    0,
    1,
    ...opt,
  );
  putU16(bytes, 4, 1);
  putU16(bytes, 10, 1);
  return bytes;
}
