import type { Addr } from '../../ipaddr/addr.ts';
import type { Prefix } from '../../ipaddr/prefix.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import type { Fields } from '../protocol/fields.ts';
import type { Call } from '../protocol/plugin.ts';
import type { Result } from '../protocol/result.ts';
import { type Forward, PROTOCOL, type Protocol } from './forward.ts';

const PORT_MAX = 65_535;
const MARK_BIT_DEFAULT = 13;

const BACKENDS = ['nftables', 'iptables'] as const;
export type Backend = (typeof BACKENDS)[number];

/** A pod's address of one family, and the ports that lead there. */
export interface PodForwards {
  readonly address: Prefix;
  readonly forwards: readonly Forward[];
  /** Words of a rule that packets must match as well, for the backend. */
  readonly conditions: readonly string[];
}

/** The portmap plugin's own fields. */
export interface PortmapConfig {
  readonly backend: Backend;
  /** Packets of the pod to itself and of the host's 127.0.0.1 get a source the pod can answer. */
  readonly snat: boolean;
  /** All packets to the pod through a host port do. */
  readonly masqAll: boolean;
  /** The bit of the packet's mark that says so (iptables). */
  readonly markMasqBit: number;
  /** Somebody else's chain that sets it (iptables). */
  readonly externalSetMarkChain: string | undefined;
  /** The ports of the host by protocol, whatever address and family they are about. */
  readonly hostPorts: ReadonlyMap<Protocol, readonly number[]>;
  /** What is wanted, the first address of each family; empty without ports or addresses. */
  readonly pods: readonly PodForwards[];
}

/** What the runtime asks for. */
interface PortMapping {
  readonly protocol: Protocol;
  readonly hostPort: number;
  readonly containerPort: number;
  /** The family it is about; without a host's address it is about both. */
  readonly family: 4 | 6 | undefined;
  readonly hostIp: Addr | undefined;
}

/** Reads the configuration. Throws CniError. */
export function parsePortmapConfig(call: Call): PortmapConfig {
  const { fields, prevResult } = call.config;
  const externalSetMarkChain = fields.string('externalSetMarkChain');
  const markMasqBit = fields.integer('markMasqBit');
  if (markMasqBit !== undefined && externalSetMarkChain !== undefined) {
    throw invalid('Cannot specify externalSetMarkChain and markMasqBit');
  }
  // A chain's name becomes a word of a rule.
  if (externalSetMarkChain !== undefined && !/^[!-~]{1,28}$/.test(externalSetMarkChain)) {
    const expected = 'the name of a chain, of 1 to 28 characters';
    throw fields.wrong('externalSetMarkChain', expected, externalSetMarkChain);
  }
  if (markMasqBit !== undefined && (markMasqBit < 0 || markMasqBit > 31)) {
    throw invalid('MasqMarkBit must be between 0 and 31', `markMasqBit: ${markMasqBit}`);
  }
  const conditions = {
    4: parseConditions(fields, 'conditionsV4'),
    6: parseConditions(fields, 'conditionsV6'),
  };
  const backend = parseBackend(fields);
  const mappings = (fields.object('runtimeConfig')?.objects('portMappings') ?? []).map(
    parseMapping,
  );
  const addresses =
    prevResult === undefined ? [] : podAddresses(prevResult, call.environment.ifName);
  return {
    backend,
    snat: fields.value('snat') === undefined || fields.boolean('snat'),
    masqAll: fields.boolean('masqAll'),
    markMasqBit: markMasqBit ?? MARK_BIT_DEFAULT,
    externalSetMarkChain,
    hostPorts: hostPortsOf(mappings),
    pods:
      mappings.length === 0
        ? []
        : addresses.map((address) => ({
            address,
            forwards: forwardsOf(mappings, address),
            conditions: conditions[address.addr.family],
          })),
  };
}

function parseMapping(fields: Fields): PortMapping {
  const containerPort = fields.integer('containerPort') ?? 0;
  if (containerPort <= 0 || containerPort > PORT_MAX) {
    throw invalid(`Invalid container port number: ${containerPort}`);
  }
  const hostPort = fields.integer('hostPort') ?? 0;
  if (hostPort <= 0 || hostPort > PORT_MAX) throw invalid(`Invalid host port number: ${hostPort}`);
  const name = fields.string('protocol')?.toLowerCase() ?? '';
  if (!isProtocol(name))
    throw fields.wrong('protocol', 'tcp, udp or sctp', fields.value('protocol'));
  const hostIp = fields.addr('hostIP')?.unmap();
  // The unspecified address stands for all of its family, and is none of a packet.
  const isAny = hostIp === undefined || hostIp.toBytes().every((octet) => octet === 0);
  return {
    protocol: name,
    hostPort,
    containerPort,
    family: hostIp?.family,
    hostIp: isAny ? undefined : hostIp,
  };
}

function isProtocol(name: string): name is Protocol {
  return name in PROTOCOL;
}

function hostPortsOf(mappings: readonly PortMapping[]): Map<Protocol, number[]> {
  const byProtocol = Map.groupBy(mappings, ({ protocol }) => protocol);
  return new Map(
    Array.from(byProtocol, ([protocol, same]) => [protocol, same.map(({ hostPort }) => hostPort)]),
  );
}

function forwardsOf(mappings: readonly PortMapping[], { addr: pod }: Prefix): Forward[] {
  return mappings
    .filter(({ family }) => family === undefined || family === pod.family)
    .map(({ protocol, hostIp, hostPort, containerPort: podPort }) => ({
      protocol,
      hostIp,
      hostPort,
      pod,
      podPort,
    }));
}

/** The first address of each family that is the pod's, as far as the result says whose it is. */
function podAddresses({ ips, interfaces }: Result, ifName: string): Prefix[] {
  const own = ips.filter((ip) => {
    const link = ip.interface === undefined ? undefined : interfaces[ip.interface];
    return link === undefined || (link.name === ifName && link.sandbox !== undefined);
  });
  return ([4, 6] as const).flatMap(
    (family) => own.find(({ address }) => address.addr.family === family)?.address ?? [],
  );
}

function parseConditions(fields: Fields, name: string): string[] {
  const words = fields.strings(name);
  const index = words.findIndex((word) => /\p{Cc}/u.test(word));
  if (index >= 0) {
    throw fields.wrong(`${name}[${index}]`, 'a word without control characters', words[index]);
  }
  return words;
}

/** Options that are for one backend alone, by backend. */
function specificOptions(fields: Fields): Record<Backend, string[]> {
  const found: Record<Backend, string[]> = { nftables: [], iptables: [] };
  if (fields.string('externalSetMarkChain') !== undefined)
    found.iptables.push('externalSetMarkChain');
  for (const name of ['conditionsV4', 'conditionsV6']) {
    const [first = ''] = fields.strings(name);
    // No condition of nft(8) begins like that, and every one of iptables(8) does.
    if (first !== '') found[/^[-!]/.test(first) ? 'iptables' : 'nftables'].push(name);
  }
  return found;
}

/** nftables, unless the configuration says otherwise or has words for iptables(8). */
function parseBackend(fields: Fields): Backend {
  const specific = specificOptions(fields);
  const fallback = specific.iptables.length > 0 ? 'iptables' : 'nftables';
  const name = fields.string('backend') ?? fallback;
  const backend = BACKENDS.find((each) => each === name);
  if (backend === undefined) throw invalid(`unrecognized backend ${JSON.stringify(name)}`);
  const other = backend === 'nftables' ? 'iptables' : 'nftables';
  if (specific[other].length > 0) {
    const options = specific[other].join(' ');
    throw invalid(
      `${backend} backend was requested but configuration contains ${other}-specific options [${options}]`,
    );
  }
  return backend;
}

function invalid(message: string, details = ''): CniError {
  return new CniError(CNI_CODE.invalidConfig, message, details);
}
