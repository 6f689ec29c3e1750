import { describe, expect, it } from 'vitest';
import { parseAddr } from '../../ipaddr/parse-addr.ts';
import { routeKey, type ServiceRoute } from '../model/route.ts';
import { Frontends } from './frontends.ts';

const endpoint = (addr: string, port = 5353) => ({
  addr: parseAddr(addr),
  port,
  isLocal: false,
  mayMeetItself: false,
});

/** A route over UDP; its pools play no part. */
function route(addr: string | undefined, port: number, serving: readonly string[]): ServiceRoute {
  const pool = { id: '', endpoints: [], whenEmpty: 'reject', affinitySeconds: 0 } as const;
  const way = { pool, masquerade: false };
  return {
    name: 'default/dns',
    entry: addr === undefined ? 'node-port' : 'cluster-ip',
    family: 4,
    addr: addr === undefined ? undefined : parseAddr(addr),
    protocol: 'UDP',
    port,
    ways: { pod: way, host: way, outside: way },
    sources: undefined,
    serving: serving.map((each) => endpoint(each)),
  };
}

const put = (each: ServiceRoute) => new Map([[routeKey(each), each]]);
const drop = (each: ServiceRoute) => new Map([[routeKey(each), undefined]]);
const isNodePortAddr = (addr: { toString(): string }): boolean => `${addr}` === '192.0.2.1';

/** Whether a flow is stale that was sent to the first address and is answered by the second. */
function isStale(frontends: Frontends, to: [string, number], by: [string, number]): boolean {
  const ends = {
    destination: parseAddr(to[0]),
    destinationPort: to[1],
    replySource: parseAddr(by[0]),
    replySourcePort: by[1],
  };
  return frontends.isStale(ends, isNodePortAddr);
}

const VIP: [string, number] = ['10.96.0.10', 53];
const A: [string, number] = ['10.244.0.7', 5353];
const B: [string, number] = ['10.244.0.8', 5353];
const vip = route(...VIP, [A[0]]);
const nodePort = route(undefined, 30_053, [A[0]]);

describe('Frontends', () => {
  it('keeps a flow to an endpoint, and none to another or to nobody', () => {
    const frontends = new Frontends('UDP');
    expect(frontends.update(put(vip))).toBe(true);
    expect(isStale(frontends, VIP, A)).toBe(false);
    expect(isStale(frontends, VIP, B)).toBe(true);
    expect(isStale(frontends, VIP, ['10.244.0.7', 5354])).toBe(true);
    expect(isStale(frontends, VIP, VIP)).toBe(true);
  });

  it('counts all flows as stale while there is no endpoint', () => {
    const frontends = new Frontends('UDP');
    frontends.update(put(route(...VIP, [])));
    expect(isStale(frontends, VIP, A)).toBe(true);
  });

  it('leaves alone what was sent to another port, or past the node to a node port', () => {
    const frontends = new Frontends('UDP');
    frontends.update(put(vip));
    frontends.update(put(nodePort));
    expect(isStale(frontends, ['10.96.0.10', 54], B)).toBe(false);
    expect(isStale(frontends, ['10.96.0.11', 53], B)).toBe(false);
    expect(isStale(frontends, ['192.0.2.1', 30_053], B)).toBe(true);
    expect(isStale(frontends, ['198.51.100.1', 30_053], ['198.51.100.1', 30_053])).toBe(false);
  });

  it('gives an address of a Service the precedence over a node port', () => {
    const frontends = new Frontends('UDP');
    frontends.update(put(nodePort));
    frontends.update(put(route('192.0.2.1', 30_053, [B[0]])));
    expect(isStale(frontends, ['192.0.2.1', 30_053], B)).toBe(false);
    expect(isStale(frontends, ['192.0.2.1', 30_053], A)).toBe(true);
  });

  it('remembers a Service that is gone until it is told to forget', () => {
    const frontends = new Frontends('UDP');
    frontends.update(put(vip));
    frontends.update(put(nodePort));
    expect(frontends.update(drop(vip))).toBe(true);
    frontends.update(drop(nodePort));
    expect(isStale(frontends, VIP, A)).toBe(true);
    expect(isStale(frontends, ['192.0.2.1', 30_053], A)).toBe(true);
    // Not ours: it led to none of its endpoints, or was not translated at all.
    expect(isStale(frontends, VIP, B)).toBe(false);
    expect(isStale(frontends, VIP, VIP)).toBe(false);
    frontends.forget(frontends.gone());
    expect(isStale(frontends, VIP, A)).toBe(false);
    expect(frontends.isEmpty).toBe(true);
  });

  it('does not forget what came back and went again meanwhile', () => {
    const frontends = new Frontends('UDP');
    frontends.update(put(vip));
    frontends.update(drop(vip));
    const gone = frontends.gone();
    frontends.update(put(vip));
    frontends.update(drop(vip));
    frontends.forget(gone);
    expect(isStale(frontends, VIP, A)).toBe(true);
  });

  it('takes what the kernel had before for gone, unless it is there', () => {
    const frontends = new Frontends('UDP');
    const endpoints = [endpoint(A[0])];
    expect(
      frontends.depart([
        { ...vip, endpoints },
        { ...nodePort, endpoints },
      ]),
    ).toBe(true);
    expect(isStale(frontends, VIP, A)).toBe(true);
    expect(isStale(frontends, VIP, B)).toBe(false);
    expect(isStale(frontends, ['192.0.2.1', 30_053], A)).toBe(true);
    frontends.update(put(vip));
    expect(frontends.depart([{ ...vip, endpoints: [endpoint(B[0])] }])).toBe(false);
    expect(isStale(frontends, VIP, A)).toBe(false);
    expect(frontends.depart([{ ...vip, protocol: 'SCTP', endpoints }])).toBe(false);
  });

  it('says when a change is none of its business', () => {
    const frontends = new Frontends('UDP');
    const tcp: ServiceRoute = { ...vip, protocol: 'TCP' };
    expect(frontends.update(put(tcp))).toBe(false);
    expect(frontends.update(drop(tcp))).toBe(false);
  });
});
