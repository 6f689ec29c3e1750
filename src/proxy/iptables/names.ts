import { hash } from 'node:crypto';
import type { Protocol } from '../../cluster/objects.ts';

/* The chains of kube-proxy (pkg/proxy/iptables/proxier.go), so that whoever knows those knows ours. */

export const SERVICES = 'KUBE-SERVICES';
export const EXTERNAL_SERVICES = 'KUBE-EXTERNAL-SERVICES';
export const NODE_PORTS = 'KUBE-NODEPORTS';
export const POSTROUTING = 'KUBE-POSTROUTING';
export const MARK_MASQ = 'KUBE-MARK-MASQ';
export const FORWARD = 'KUBE-FORWARD';
export const PROXY_FIREWALL = 'KUBE-PROXY-FIREWALL';
/** What it finds gone when somebody has flushed the tables. */
export const CANARY = 'KUBE-PROXY-CANARY';
/** The rule in the canary of `nat` by which ours are told from those of a kube-proxy. */
export const OWNER_MARK = '-m comment --comment podwire';
/** The kubelet's as well, so it stays when ours go. */
export const KUBELET_FIREWALL = 'KUBE-FIREWALL';

/** The chains of a Service's port, by the beginnings of their names. */
const PORT_CHAINS = ['KUBE-SVC-', 'KUBE-SVL-', 'KUBE-EXT-', 'KUBE-FW-', 'KUBE-SEP-'] as const;
type PortChain = (typeof PORT_CHAINS)[number];

export type TableName = 'filter' | 'nat' | 'mangle';

/** The chains that are there whatever Services there are, by table. */
export const FIXED_CHAINS: Readonly<Record<TableName, readonly string[]>> = {
  filter: [SERVICES, EXTERNAL_SERVICES, FORWARD, NODE_PORTS, PROXY_FIREWALL, CANARY],
  nat: [SERVICES, NODE_PORTS, POSTROUTING, MARK_MASQ, CANARY],
  mangle: [CANARY],
};

/** Whether a chain of `nat` is one of a Service's port. */
export function isPortChain(chain: string): boolean {
  return PORT_CHAINS.some((prefix) => chain.startsWith(prefix));
}

/** Names the chains of one port of a Service. */
export class PortNames {
  /** `default/web:http` */
  readonly port: string;
  readonly #protocol: string;
  readonly #hash: string;

  constructor(port: string, protocol: Protocol) {
    this.port = port;
    this.#protocol = protocol.toLowerCase();
    this.#hash = shortHash(port + this.#protocol);
  }

  get cluster(): string {
    return this.#chain('KUBE-SVC-');
  }

  get local(): string {
    return this.#chain('KUBE-SVL-');
  }

  get external(): string {
    return this.#chain('KUBE-EXT-');
  }

  get firewall(): string {
    return this.#chain('KUBE-FW-');
  }

  /** The chain of an endpoint, as `formatEndpoint` writes it. */
  endpoint(endpoint: string): string {
    return `KUBE-SEP-${shortHash(this.port + this.#protocol + endpoint)}`;
  }

  #chain(prefix: PortChain): string {
    return prefix + this.#hash;
  }
}

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const HASH_CHARACTERS = 16;
const BITS_PER_CHARACTER = 5;

/** The first 16 characters of base32(sha256(text)): chain names have at most 28 (xtables.h). */
function shortHash(text: string): string {
  const bytes = hash('sha256', text, 'buffer');
  let out = '';
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xfff;
    bits += 8;
    for (; bits >= BITS_PER_CHARACTER; bits -= BITS_PER_CHARACTER) {
      out += BASE32[(value >> (bits - BITS_PER_CHARACTER)) & 31];
      if (out.length === HASH_CHARACTERS) return out;
    }
  }
  return out;
}
