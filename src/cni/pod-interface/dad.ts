import { addrList } from '../../netlink/route/addr.ts';
import type { RouteConnection } from '../../netlink/route/connection.ts';
import type { Link } from '../../netlink/route/link.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';

const TIMEOUT_MS = 5000;
const POLL_MS = 50;

/** Waits until no address is tentative. Throws CniError when another host has one. */
export function waitForDad(pod: RouteConnection, link: Link): void {
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  const deadline = performance.now() + TIMEOUT_MS;
  for (;;) {
    const addrs = addrList(pod, link.index);
    const taken = addrs.find((addr) => addr.dadFailed);
    if (taken !== undefined) {
      throw new CniError(CNI_CODE.internal, `${taken.prefix.addr} is taken by another host`);
    }
    if (!addrs.some((addr) => addr.tentative)) return;
    if (performance.now() > deadline) {
      throw new CniError(CNI_CODE.internal, `addresses still tentative after ${TIMEOUT_MS} ms`);
    }
    Atomics.wait(sleeper, 0, 0, POLL_MS);
  }
}
