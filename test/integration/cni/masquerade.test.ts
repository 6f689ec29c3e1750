import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createNamedNetns, deleteNamedNetns } from '../../../src/sys/netns.ts';
import { useNetns } from '../netns-fixture.ts';
import { callPlugin, type PluginAnswer } from './plugin-fixture.ts';

/* `ipMasq` and `macspoofchk` of bridge: real rules, and real packets through them. */

const fixture = useNetns('masq');
const podName = `podwire-masq-pod-${process.pid}`;
const outsideName = `podwire-masq-out-${process.pid}`;
const podPath = `/run/netns/${podName}`;
let dataDir: string;

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'podwire-masq-'));
  createNamedNetns(podPath);
  createNamedNetns(`/run/netns/${outsideName}`);
});
afterEach(() => {
  deleteNamedNetns(podPath);
  deleteNamedNetns(`/run/netns/${outsideName}`);
  rmSync(dataDir, { recursive: true, force: true });
});

const config = (more: object = {}): Record<string, unknown> => ({
  cniVersion: '1.1.0',
  name: 'net',
  type: 'bridge',
  bridge: 'br0',
  isDefaultGateway: true,
  ipam: {
    type: 'host-local',
    dataDir,
    ranges: [[{ subnet: '10.1.2.0/24' }], [{ subnet: 'fd00:1::/64' }]],
  },
  ...more,
});

function call(verb: string, conf: object, env: Record<string, string> = {}): PluginAnswer {
  const base = { CNI_CONTAINERID: 'a', CNI_NETNS: podPath };
  return callPlugin(
    { type: 'bridge', verb, config: conf, env: { ...base, ...env } },
    fixture.netns,
  );
}

const onNode = (file: string, ...args: string[]): string => fixture.exec(file, ...args);
const inPod = (...args: string[]): string => fixture.exec('ip', 'netns', 'exec', podName, ...args);
const inOutside = (...args: string[]): string =>
  fixture.exec('ip', 'netns', 'exec', outsideName, ...args);
const ruleset = (): string => fixture.exec('nft', 'list', 'ruleset');
/** The lines of the rules that are about a pod. */
const podRules = (): string[] =>
  ruleset()
    .split('\n')
    .filter((line) => /10\.1\.2|fd00:1:|CNI-[0-9a-f]{24}|macspoofchk|cni-br-iface/.test(line));

/** A host behind the node that knows no way back to the pods. */
function connectOutside(): void {
  fixture.exec(
    'ip',
    'link',
    'add',
    'up0',
    'type',
    'veth',
    'peer',
    'name',
    'eth0',
    'netns',
    outsideName,
  );
  for (const [end, suffix] of [
    ['node', '1'],
    ['outside', '2'],
  ] as const) {
    const exec = end === 'node' ? onNode : inOutside;
    const device = end === 'node' ? 'up0' : 'eth0';
    exec('ip', 'addr', 'add', `192.0.2.${suffix}/24`, 'dev', device);
    exec('ip', 'addr', 'add', `2001:db8::${suffix}/64`, 'dev', device, 'nodad');
    exec('ip', 'link', 'set', device, 'up');
  }
}

const ping = (target: string): string => {
  try {
    return inPod('ping', '-c1', '-W2', target);
  } catch {
    return 'no answer';
  }
};

describe.each(['nftables', 'iptables'])('ipMasq by %s', (ipMasqBackend) => {
  const masquerading = (more: object = {}): object =>
    config({ ipMasq: true, ipMasqBackend, ...more });

  it('lets pods reach those who know no way to them', () => {
    connectOutside();
    expect(call('ADD', config()).status).toBe(0);
    expect(ping('192.0.2.2')).toBe('no answer');
    call('DEL', config());
    expect(call('ADD', masquerading()).status).toBe(0);
    for (const target of ['192.0.2.2', '2001:db8::2']) {
      expect(ping(target)).toContain('1 received');
    }
  });

  it.each(['there', 'empty', 'missing', 'a plain file'])(
    'leaves no rule after DEL when the namespace is %s, whatever the configuration says by then',
    (state) => {
      expect(call('ADD', masquerading()).status).toBe(0);
      expect(podRules()).not.toEqual([]);
      const env: Record<string, string> = {};
      if (state === 'empty') env.CNI_NETNS = '';
      if (state === 'missing') env.CNI_NETNS = '/run/netns/podwire-none';
      if (state === 'a plain file') {
        env.CNI_NETNS = join(dataDir, 'plain');
        writeFileSync(env.CNI_NETNS, '');
      }
      for (let round = 0; round < 2; round += 1) {
        expect(call('DEL', config(), env)).toMatchObject({ status: 0, stdout: '', stderr: '' });
      }
      expect(podRules()).toEqual([]);
    },
  );

  it('leaves no rule when the interface was deleted by hand', () => {
    call('ADD', masquerading());
    inPod('ip', 'link', 'del', 'eth0');
    expect(call('DEL', masquerading()).status).toBe(0);
    expect(podRules()).toEqual([]);
  });

  it('keeps the rules of others: another container, another network', () => {
    call('ADD', masquerading());
    const own = podRules();
    call('ADD', masquerading(), { CNI_CONTAINERID: 'b', CNI_IFNAME: 'eth1' });
    call('ADD', masquerading({ name: 'other', bridge: 'br0', isDefaultGateway: false }), {
      CNI_IFNAME: 'eth2',
    });
    call('DEL', masquerading(), { CNI_CONTAINERID: 'b', CNI_IFNAME: 'eth1' });
    call('DEL', masquerading({ name: 'other' }), { CNI_IFNAME: 'eth2' });
    expect(podRules()).toEqual(own);
  });

  it('is checked', () => {
    const { json } = call('ADD', masquerading());
    const check = (): PluginAnswer => call('CHECK', masquerading({ prevResult: json }));
    expect(check()).toMatchObject({ status: 0 });
    if (ipMasqBackend === 'nftables') {
      fixture.exec('nft', 'flush', 'chain', 'inet', 'cni_plugins_masquerade', 'masq_checks');
    } else fixture.exec('iptables', '-t', 'nat', '-F', 'POSTROUTING');
    expect(check().json).toMatchObject({
      code: 999,
      msg: expect.stringContaining('missing masquerade rule'),
    });
  });

  it('is collected by GC, and those of valid attachments are not', () => {
    call('ADD', masquerading());
    const own = podRules();
    call('ADD', masquerading(), { CNI_CONTAINERID: 'b', CNI_IFNAME: 'eth1' });
    const valid = [{ containerID: 'a', ifname: 'eth0' }];
    expect(call('GC', masquerading({ 'cni.dev/valid-attachments': valid })).status).toBe(0);
    expect(podRules()).toEqual(own);
    expect(call('GC', masquerading()).status).toBe(0);
    expect(podRules()).toEqual([]);
    const left = readdirSync(join(dataDir, 'net')).filter((name) => !/^(lock|last)/.test(name));
    expect(left).toEqual([]);
  });

  it('does not double what a lost answer left', () => {
    call('ADD', masquerading());
    const own = podRules();
    inPod('ip', 'link', 'del', 'eth0');
    rmSync(join(dataDir, 'net'), { recursive: true });
    expect(call('ADD', masquerading()).status).toBe(0);
    expect(podRules()).toEqual(own);
  });

  it('is possible, says STATUS', () => {
    expect(call('STATUS', masquerading())).toMatchObject({ status: 0, stdout: '' });
    expect(existsSync(dataDir)).toBe(true);
  });
});

describe('macspoofchk', () => {
  const guarded = (more: object = {}): object => config({ macspoofchk: true, ...more });
  const setMac = (mac: string): void => {
    inPod('ip', 'link', 'set', 'eth0', 'address', mac);
  };

  it('drops what comes under another address', () => {
    call('ADD', guarded({ mac: '02:00:00:00:00:07' }));
    expect(ping('10.1.2.1')).toContain('1 received');
    setMac('02:00:00:00:00:08');
    expect(ping('10.1.2.1')).toBe('no answer');
    setMac('02:00:00:00:00:07');
    expect(ping('10.1.2.1')).toContain('1 received');
  });

  it('is checked, and is gone after DEL', () => {
    const { json } = call('ADD', guarded());
    const check = (): PluginAnswer => call('CHECK', guarded({ prevResult: json }));
    expect(check().status).toBe(0);
    fixture.exec('nft', 'flush', 'chain', 'bridge', 'nat', 'PREROUTING');
    expect(check().json.msg).toBe('missing macspoofchk rule in chain "PREROUTING"');
    expect(call('DEL', guarded(), { CNI_NETNS: '' }).status).toBe(0);
    expect(podRules()).toEqual([]);
  });

  it('is collected by GC of its own network alone', () => {
    call('ADD', guarded());
    expect(call('GC', guarded({ name: 'other' })).status).toBe(0);
    expect(podRules()).not.toEqual([]);
    const valid = [{ containerID: 'a', ifname: 'eth0' }];
    expect(call('GC', guarded({ 'cni.dev/valid-attachments': valid })).status).toBe(0);
    expect(podRules()).not.toEqual([]);
    expect(call('GC', guarded()).status).toBe(0);
    expect(podRules()).toEqual([]);
  });

  it('is taken back with an ADD that fails', () => {
    const ipam = { type: 'host-local', dataDir, subnet: '10.1.2.0/30', rangeEnd: '10.1.2.1' };
    expect(call('ADD', guarded({ ipam })).status).toBe(1);
    expect(podRules()).toEqual([]);
  });
});
