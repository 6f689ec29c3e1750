import type { Prefix } from '../../ipaddr/prefix.ts';
import type { Owner } from '../pod-interface/owner.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import type { Fields } from '../protocol/fields.ts';
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
    const details = 'ipMasqBackend: expected nftables or iptables';
    throw new CniError(CNI_CODE.invalidConfig, text, details);
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
  undo.defer(() => backend.del(owner));
  backend.add(addresses, owner);
  undo.move();
}

/** Removes the owner's rules of every backend: the configuration may have been another one at ADD. */
export function masqueradeDel(owner: Owner): void {
  everyBackend((backend) => backend.del(owner));
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
