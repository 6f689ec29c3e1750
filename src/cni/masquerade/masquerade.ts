import type { Prefix } from '../../ipaddr/prefix.ts';
import { addrList } from '../../netlink/route/addr.ts';
import { RouteConnection } from '../../netlink/route/connection.ts';
import { linkByName } from '../../netlink/route/link.ts';
import type { Owner } from '../pod-interface/owner.ts';
import { siblingsOf } from '../pod-interface/veth.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import type { Fields } from '../protocol/fields.ts';
import { tryOpenPodNetns } from '../protocol/netns.ts';
import type { Attachment } from '../protocol/plugin.ts';
import type { MasqueradeBackend } from './backend.ts';
import { iptables } from './iptables.ts';
import { nftables } from './nftables.ts';

const BACKENDS: Readonly<Record<string, MasqueradeBackend>> = { nftables, iptables };

/** Reads `ipMasq` and `ipMasqBackend`: what keeps the rules, or undefined without any. Throws CniError. */
export function parseMasquerade(fields: Fields): MasqueradeBackend | undefined {
  const name = fields.string('ipMasqBackend') || 'nftables';
  const backend = Object.hasOwn(BACKENDS, name) ? BACKENDS[name] : undefined;
  if (backend === undefined) {
    const text = `unknown ipmasq backend ${JSON.stringify(name)}`;
    const { message } = fields.wrong('ipMasqBackend', 'nftables or iptables', name);
    throw new CniError(CNI_CODE.invalidConfig, text, message);
  }
  return fields.boolean('ipMasq') ? backend : undefined;
}

/** Masquerades a pod's addresses by the backend. Nothing of it is left when it throws. */
export function masqueradeAdd(
  backend: MasqueradeBackend,
  addresses: readonly Prefix[],
  owner: Owner,
): void {
  using undo = new DisposableStack();
  undo.defer(() => backend.del(owner, isOneOf(addresses)));
  backend.add(addresses, owner);
  undo.move();
}

/** Removes what `masqueradeAdd` made for these addresses. */
export function masqueradeUndo(addresses: readonly Prefix[], owner: Owner): void {
  everyBackend((backend) => backend.del(owner, isOneOf(addresses)));
}

/**
 * Removes the owner's rules of every backend: the configuration may have been another one at ADD. What
 * the container, whose namespace is at `netns`, has of the network on other interfaces stays.
 */
export function masqueradeDel(owner: Owner, netns: string): void {
  let others: ReadonlySet<string> | undefined;
  everyBackend((backend) =>
    backend.del(owner, (address) => {
      others ??= otherAddresses(owner, netns);
      return !others.has(address);
    }),
  );
}

function isOneOf(addresses: readonly Prefix[]): (address: string) => boolean {
  const texts = new Set(addresses.map(({ addr }) => `${addr}`));
  return (address) => texts.has(address);
}

/** Addresses of the container's other interfaces on the network, as its namespace has them. */
function otherAddresses(owner: Owner, netns: string): ReadonlySet<string> {
  using host = RouteConnection.open();
  const siblings = siblingsOf(host, owner);
  using podNetns = siblings.length === 0 ? undefined : tryOpenPodNetns(netns);
  if (podNetns === undefined) return new Set();
  using pod = RouteConnection.open(podNetns);
  const indexes = siblings.map((name) => linkByName(pod, name)?.index);
  const others = addrList(pod).filter(({ linkIndex }) => indexes.includes(linkIndex));
  return new Set(others.map(({ prefix }) => `${prefix.addr}`));
}

/**
 * Throws CniError when a rule is missing. Rules of another backend do as well: the reference, whose
 * default is iptables, may have made them.
 */
export function masqueradeCheck(
  backend: MasqueradeBackend,
  addresses: readonly Prefix[],
  owner: Owner,
): void {
  try {
    backend.check(addresses, owner);
  } catch (error) {
    for (const other of Object.values(BACKENDS)) {
      if (other !== backend && holds(other, addresses, owner)) return;
    }
    throw error;
  }
}

function holds(backend: MasqueradeBackend, addresses: readonly Prefix[], owner: Owner): boolean {
  try {
    backend.check(addresses, owner);
    return true;
  } catch {
    return false;
  }
}

/** Removes the network's rules of all attachments but the valid ones. */
export function masqueradeGc(network: string, valid: readonly Attachment[]): void {
  const owners = valid.map((each) => ({ network, ...each }));
  everyBackend((backend) => backend.gc(network, owners));
}

/** One that fails does not keep the others from their work. */
function everyBackend(work: (backend: MasqueradeBackend) => void): void {
  using all = new DisposableStack();
  for (const backend of Object.values(BACKENDS)) all.defer(() => work(backend));
}
