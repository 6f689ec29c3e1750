import { tryParsePrefix } from '../../ipaddr/prefix.ts';
import { mayHoldChain } from '../../iptables/detect.ts';
import { quoted, type SavedRule, type SavedTable } from '../../iptables/save.ts';
import { sha512 } from '../../sys/digest.ts';
import { checkInstalled, readNat, restoreNat } from '../iptables/program.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import type { PortmapBackend } from './backend.ts';
import type { PodForwards, PortmapConfig } from './config.ts';
import { describeForward, type Forward, overlaps, portTaken, withPort } from './forward.ts';
import { savedForward } from './iptables-save.ts';
import type { Owner } from './owner.ts';

/*
 * The chains of the reference plugin in the table nat, so that either plugin finds what the other
 * left. What is read is one iptables-save(8), what is changed is one iptables-restore(8):
 *
 *   PREROUTING, OUTPUT --dst-type LOCAL -> CNI-HOSTPORT-DNAT -> CNI-DN-<hash> -> DNAT
 *                                                     who needs another source -> CNI-HOSTPORT-SETMARK
 *   POSTROUTING -> CNI-HOSTPORT-MASQ: MASQUERADE what has the mark
 */

const DNAT = 'CNI-HOSTPORT-DNAT';
const SETMARK = 'CNI-HOSTPORT-SETMARK';
const MASQ = 'CNI-HOSTPORT-MASQ';
const CHAIN_CHARACTERS = 28;
const COMMENT_CHARACTERS_MAX = 255;
/** What one rule of the match `multiport` takes. */
const PORTS_PER_RULE = 15;
const FAMILIES = [4, 6] as const;
const EVERYBODY = { 4: '0.0.0.0/0', 6: '::/0' } as const;

/** Keeps the rules by iptables(8) processes. */
export const iptables: PortmapBackend = {
  add(config, owner) {
    for (const pod of config.pods) addFamily(config, pod, owner);
  },

  refuseTaken(pods, owner) {
    for (const { address, forwards } of pods) {
      const { family } = address.addr;
      if (!mayHoldChain(family, (chain) => chain === DNAT)) continue;
      refuseTaken(readNat(family), forwards, chainNames(owner).dnat, owner);
    }
  },

  del(owner) {
    const names = chainsOf(owner);
    return FAMILIES.flatMap((family) =>
      mayHoldChain(family, (chain) => names.includes(chain))
        ? remove(family, readNat(family), names)
        : [],
    );
  },

  check(config, owner) {
    for (const pod of config.pods) {
      try {
        checkFamily(config, pod, owner);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        const text = `could not check ipv${pod.address.addr.family} dnat: ${reason}`;
        throw new CniError(CNI_CODE.internal, text);
      }
    }
  },

  gc(network, valid) {
    const kept = valid.map(commentOf);
    return FAMILIES.flatMap((family) => {
      if (!mayHoldChain(family, (chain) => chain === DNAT)) return [];
      const table = readNat(family);
      const stale = table.rules.filter(({ chain, options }) => {
        const comment = options.get('--comment') ?? '';
        return (
          chain === DNAT && comment.startsWith(commentStart(network)) && !kept.includes(comment)
        );
      });
      return remove(family, table, [...new Set(stale.map(({ target }) => target))]);
    });
  },

  status: checkInstalled,
};

function addFamily(config: PortmapConfig, pod: PodForwards, owner: Owner): void {
  const { family } = pod.address.addr;
  const table = readNat(family);
  const { dnat: chain } = chainNames(owner);
  refuseTaken(table, pod.forwards, chain, owner);
  const lines: string[] = [];
  const ensureChain = (name: string): void => {
    if (!table.chains.has(name)) lines.push(`:${name} - [0:0]`);
  };
  const ensureRule = (
    verb: '-A' | '-I',
    from: string,
    rule: string,
    isIt: (found: SavedRule) => boolean,
  ): void => {
    if (!table.rules.some((each) => each.chain === from && isIt(each)))
      lines.push(`${verb} ${from} ${rule}`);
  };
  if (config.snat && config.externalSetMarkChain === undefined) {
    const mark = 2 ** config.markMasqBit;
    const bits = `0x${mark.toString(16)}/0x${mark.toString(16)}`;
    ensureChain(SETMARK);
    ensureRule(
      '-A',
      SETMARK,
      `-m comment --comment "CNI portfwd masquerade mark" -j MARK --set-xmark ${bits}`,
      ({ text }) => text.includes(bits),
    );
    ensureChain(MASQ);
    ensureRule('-A', MASQ, `-m mark --mark ${bits} -j MASQUERADE`, ({ text }) =>
      text.includes(bits),
    );
    // Before the rules of bridge and ptp, which would have the packet first.
    ensureRule(
      '-I',
      'POSTROUTING',
      `-m comment --comment "CNI portfwd requiring masquerade" -j ${MASQ}`,
      ({ target }) => target === MASQ,
    );
  }
  ensureChain(DNAT);
  for (const from of ['PREROUTING', 'OUTPUT']) {
    ensureRule(
      '-A',
      from,
      `-m addrtype --dst-type LOCAL -j ${DNAT}`,
      ({ target }) => target === DNAT,
    );
  }
  lines.push(...linesThatRemoveEntries(table, chain));
  ensureChain(chain);
  if (table.chains.has(chain)) lines.push(`-F ${chain}`);
  for (const rule of podRules(config, pod)) lines.push(`-A ${chain} ${rule}`);
  for (const rule of entryRules(config, pod, owner)) lines.push(`-A ${DNAT} ${rule} -j ${chain}`);
  restoreNat(family, lines);
}

/** Which packets are looked at by the pod's chain. */
function entryRules({ hostPorts }: PortmapConfig, pod: PodForwards, owner: Owner): string[] {
  const comment = quoted(commentOf(owner));
  const conditions = pod.conditions.map((word) => ` ${quoted(word)}`).join('');
  const protocols = Array.from(hostPorts.keys()).toSorted();
  return protocols.flatMap((protocol) => {
    const ports = hostPorts.get(protocol) ?? [];
    return Array.from({ length: Math.ceil(ports.length / PORTS_PER_RULE) }, (_, index) => {
      const part = ports.slice(index * PORTS_PER_RULE, (index + 1) * PORTS_PER_RULE);
      const match = `-p ${protocol} -m multiport --destination-ports ${part.join(',')}`;
      return `-m comment --comment ${comment} ${match}${conditions}`;
    });
  });
}

/** The rules of the pod's chain: marks first, for DNAT ends it. */
function podRules(config: PortmapConfig, pod: PodForwards): string[] {
  const chain = config.externalSetMarkChain ?? SETMARK;
  return pod.forwards.flatMap((forward) => {
    const { protocol, hostPort, hostIp, pod: addr, podPort } = forward;
    const base = `-p ${protocol} --dport ${hostPort}${hostIp === undefined ? '' : ` -d ${hostIp}`}`;
    return [
      ...markedSources(config, pod).map((source) => `${base} -s ${source} -j ${chain}`),
      `${base} -j DNAT --to-destination ${withPort(addr, podPort)}`,
    ];
  });
}

/** Who needs another source to get an answer from the pod. */
function markedSources({ snat, masqAll }: PortmapConfig, { address }: PodForwards): string[] {
  const { family } = address.addr;
  if (!snat) return [];
  if (masqAll) return [EVERYBODY[family]];
  const own = `${address.masked()}`;
  return family === 4 ? [own, '127.0.0.1'] : [own];
}

function checkFamily(config: PortmapConfig, pod: PodForwards, owner: Owner): void {
  const { family } = pod.address.addr;
  const { chains, rules } = readNat(family);
  const { dnat: chain } = chainNames(owner);
  if (!chains.has(chain)) throw new Error(`chain ${chain} not found in iptables table nat`);
  const missing = (what: string, from: string): Error =>
    new Error(`rule ${what} in chain ${from} not found in table nat`);
  for (const from of ['PREROUTING', 'OUTPUT']) {
    if (!rules.some((rule) => rule.chain === from && rule.target === DNAT))
      throw missing(`-j ${DNAT}`, from);
  }
  const entries = rules.filter((rule) => rule.chain === DNAT && rule.target === chain);
  const own = rules.filter((rule) => rule.chain === chain);
  for (const forward of pod.forwards) {
    const { protocol, hostPort } = forward;
    const enters = entries.some(
      ({ options }) =>
        options.get('-p') === protocol &&
        (options.get('--dports') ?? '').split(',').includes(`${hostPort}`),
    );
    if (!enters) throw missing(`${protocol} ${hostPort}`, DNAT);
    const wanted = describeForward(forward);
    const found = own.some((rule) => {
      const done = savedForward(rule);
      return done !== undefined && describeForward(done) === wanted;
    });
    if (!found) throw missing(wanted, chain);
    for (const source of markedSources(config, pod)) {
      if (!own.some((rule) => marks(rule, config, forward, source))) {
        throw missing(`${protocol} ${hostPort} from ${source}`, chain);
      }
    }
  }
}

function marks(rule: SavedRule, config: PortmapConfig, forward: Forward, source: string): boolean {
  const { options, target } = rule;
  const wanted = tryParsePrefix(source.includes('/') ? source : `${source}/32`);
  const found = tryParsePrefix(options.get('-s') ?? EVERYBODY[forward.pod.family]);
  return (
    target === (config.externalSetMarkChain ?? SETMARK) &&
    options.get('-p') === forward.protocol &&
    options.get('--dport') === `${forward.hostPort}` &&
    wanted !== undefined &&
    found?.equals(wanted) === true
  );
}

/** A container may ask for one of its ports twice, by two networks: the first rule wins. */
function refuseTaken(
  { rules }: SavedTable,
  wanted: readonly Forward[],
  chain: string,
  owner: Owner,
): void {
  for (const rule of rules) {
    const held = rule.chain === chain ? undefined : savedForward(rule);
    const taken = held && wanted.find((forward) => overlaps(forward, held));
    if (taken === undefined) continue;
    const comment = rules.find(({ target }) => target === rule.chain)?.options.get('--comment');
    const [, network, id] = /^dnat name: "(.*)" id: "(.*)"$/.exec(comment ?? '') ?? [];
    if (id === owner.containerId) continue;
    const holder =
      id === undefined ? `chain ${rule.chain}` : `container ${id} (network ${network})`;
    throw portTaken(taken, holder);
  }
}

/** Removes chains, whatever leads to them, and gives what they did. */
function remove(family: 4 | 6, table: SavedTable, chains: readonly string[]): Forward[] {
  const present = chains.filter((chain) => table.chains.has(chain));
  if (present.length === 0) return [];
  restoreNat(
    family,
    present.flatMap((chain) => [
      ...linesThatRemoveEntries(table, chain),
      `-F ${chain}`,
      `-X ${chain}`,
    ]),
  );
  return table.rules
    .filter(({ chain }) => present.includes(chain))
    .flatMap((rule) => savedForward(rule) ?? []);
}

function linesThatRemoveEntries({ rules }: SavedTable, chain: string): string[] {
  return rules
    .filter(({ target }) => target === chain)
    .map((rule) => `-D ${rule.chain} ${rule.text}`);
}

/** The chain of a container's forwards, and one that old versions of the reference plugin made. */
function chainNames({ network, containerId }: Owner): {
  readonly dnat: string;
  readonly oldSnat: string;
} {
  const digest = sha512(`${network}${containerId}`);
  const name = (prefix: string): string => `${prefix}${digest}`.slice(0, CHAIN_CHARACTERS);
  return { dnat: name('CNI-DN-'), oldSnat: name('CNI-SN-') };
}

function chainsOf(owner: Owner): string[] {
  return Object.values(chainNames(owner));
}

const commentStart = (network: string): string => `dnat name: "${network}" id: "`;

function commentOf({ network, containerId }: Owner): string {
  const comment = `${commentStart(network)}${containerId}"`;
  if (comment.length <= COMMENT_CHARACTERS_MAX) return comment;
  return `${comment.slice(0, COMMENT_CHARACTERS_MAX - 2)}...`;
}
