import { describe, expect, it } from 'vitest';
import { SPEC_VERSIONS } from '../../../src/cni/protocol/version.ts';
import { callPlugin } from '../../integration/cni/plugin-fixture.ts';
import { needPeer, SIDES, type Side } from './sides.ts';

/* static beside the reference: the same calls give the same answers. */

needPeer('cni-plugins');

interface Case {
  readonly title: string;
  readonly ipam?: object | undefined;
  readonly more?: object;
  readonly args?: string;
  readonly verb?: string;
}

function answer(side: Side, { ipam, more = {}, args = '', verb = 'ADD' }: Case): unknown {
  const { status, json } = callPlugin({
    type: 'static',
    verb,
    bin: SIDES[side],
    config: {
      cniVersion: '1.1.0',
      name: 'net',
      type: 'ipvlan',
      ...(ipam === undefined ? {} : { ipam: { type: 'static', ...ipam } }),
      ...more,
    },
    env: { CNI_CONTAINERID: 'a', CNI_NETNS: '/run/netns/podwire-none', CNI_ARGS: args },
  });
  return { status, json };
}

const dual = {
  addresses: [
    { address: '10.10.0.1/24', gateway: '10.10.0.254' },
    { address: '3ffe:ffff:0:01ff::1/64', gateway: '3ffe:ffff:0::1' },
  ],
  routes: [
    { dst: '0.0.0.0/0' },
    { dst: '192.168.0.0/16', gw: '10.10.5.1' },
    { dst: '3ffe:ffff:0:01ff::1/64' },
  ],
  dns: { nameservers: ['192.0.2.53'], domain: 'd.example', search: ['d.example'], options: ['x'] },
};
const { addresses } = dual;
const args = { args: { cni: { ips: ['10.10.0.2/24', '3ffe:ffff:0:1ff::2/64'] } } };
const runtimeConfig = { runtimeConfig: { ips: ['10.10.0.3/24', '3ffe:ffff:0:1ff::3/64'] } };
const result = (ips: object): object => ({ prevResult: { cniVersion: '1.1.0', ips } });

const cases: readonly Case[] = [
  ...SPEC_VERSIONS.map((cniVersion) => ({
    title: `version ${cniVersion}`,
    ipam: dual,
    more: { cniVersion },
  })),
  { title: 'no address', ipam: {} },
  { title: 'an address without gateway', ipam: { addresses: [{ address: '10.1.2.3/8' }] } },
  { title: 'one address and all there is', ipam: { addresses: [{ address: '10.1.2.3/32' }] } },
  { title: 'CNI_ARGS', ipam: {}, args: 'IP=10.10.0.1/24;GATEWAY=10.10.0.254' },
  {
    title: 'several in CNI_ARGS, beside the configuration',
    ipam: { addresses },
    args: 'IgnoreUnknown=1;K8S_POD_NAME=x;IP= 10.10.0.9/24,11.0.0.1/8 ;GATEWAY=11.0.0.7,10.10.0.253,11.0.0.8',
  },
  { title: 'a gateway in CNI_ARGS alone', ipam: { addresses }, args: 'GATEWAY=10.10.0.253' },
  { title: 'args', ipam: dual, more: args },
  { title: 'runtimeConfig', ipam: dual, more: runtimeConfig },
  {
    title: 'all at once',
    ipam: dual,
    more: { ...args, ...runtimeConfig },
    args: 'IP=10.10.0.9/24;GATEWAY=10.10.0.254',
  },
  { title: 'empty lists', ipam: dual, more: { args: { cni: { ips: [] } }, runtimeConfig: {} } },
  {
    title: 'args hide what is wrong in the configuration',
    ipam: { addresses: [{ address: 'x' }] },
    more: args,
  },
  {
    title: 'routes of one destination and with all there is',
    ipam: {
      addresses,
      routes: [
        { dst: '10.9.0.0/16', gw: '10.10.0.7', mtu: 1300, advmss: 1200 },
        { dst: '10.9.0.0/16', gw: '10.10.0.8', priority: 5, table: 7, scope: 253 },
        { dst: '10.8.0.1/16', priority: 0, mtu: 0, table: 0, scope: 0 },
      ],
    },
  },
  { title: 'DEL', ipam: dual, verb: 'DEL' },
  { title: 'DEL of what ADD refuses', verb: 'DEL' },
  { title: 'CHECK', ipam: { addresses }, verb: 'CHECK', more: result(addresses) },
  { title: 'STATUS', ipam: { addresses }, verb: 'STATUS' },
  { title: 'GC', ipam: { addresses }, verb: 'GC' },
];

/** Those that both refuse in the same words; the reference has 999 for all of them. */
const refusals: readonly Case[] = [
  { title: 'no ipam' },
  { title: 'no ipam, CNI_ARGS', args: 'IP=10.1.2.3/24' },
  { title: 'no ipam, runtimeConfig', more: runtimeConfig },
  { title: 'an address', ipam: { addresses: [{ address: '10.10.0.1' }] } },
  { title: 'a list with an empty address', ipam: { addresses: [{}] } },
  { title: 'CNI_ARGS', ipam: {}, args: 'IP=10.10.0.1' },
  { title: 'CNI_ARGS, though args come first', ipam: {}, more: args, args: 'IP=10.10.0.1' },
  { title: 'a gateway in CNI_ARGS', ipam: {}, args: 'IP=10.1.2.3/24;GATEWAY=x' },
  { title: 'args', ipam: dual, more: { args: { cni: { ips: ['10.10.0.1'] } } } },
  { title: 'runtimeConfig', ipam: dual, more: { runtimeConfig: { ips: ['x'] } } },
  ...['0.1.0', '0.2.0'].map((cniVersion) => ({
    title: `two of a family in ${cniVersion}`,
    ipam: { addresses: [...addresses, { address: '10.9.0.1/24' }] },
    more: { cniVersion },
  })),
  { title: 'CHECK without prevResult', ipam: dual, verb: 'CHECK' },
  {
    title: 'CHECK with another gateway',
    ipam: { addresses },
    verb: 'CHECK',
    more: result([{ address: '10.10.0.1/24', gateway: '10.10.0.9' }, addresses[1]]),
  },
];

describe('static beside the reference', () => {
  it.each(cases)('$title', (each) => {
    const ours = answer('podwire', each);
    expect(ours).toMatchObject({ status: 0 });
    expect(ours).toEqual(answer('reference', each));
  });

  it.each(refusals)('refuses in the same words: $title', (each) => {
    const { json: ours } = answer('podwire', each) as { json: { code: number; msg: string } };
    const { json: theirs } = answer('reference', each) as { json: { code: number; msg: string } };
    expect(theirs.code).toBe(999);
    // What is wrong with a configuration has a code of its own in the specification.
    expect([7, 999]).toContain(ours.code);
    expect(ours.msg).toBe(theirs.msg);
  });

  it('wants in CHECK what the reference only says that it wants', () => {
    const lost = { title: '', ipam: { addresses }, verb: 'CHECK', more: result([]) };
    expect(answer('reference', lost)).toMatchObject({ status: 0 });
    expect(answer('podwire', lost)).toMatchObject({
      status: 1,
      json: { msg: 'static: Failed to match addr 10.10.0.1 on interface eth0' },
    });
  });
});
