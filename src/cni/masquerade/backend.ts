import type { Prefix } from '../../ipaddr/prefix.ts';
import type { Owner } from '../pod-interface/owner.ts';

/** What keeps the rules. Every verb throws CniError or NetlinkError. */
export interface MasqueradeBackend {
  /** Masquerades the addresses outside their own networks, in place of what the owner had before. */
  add(addresses: readonly Prefix[], owner: Owner): void;
  /**
   * Removes the owner's rules. Nothing there is fine. Where rules tell no interfaces of a container
   * apart, those of addresses that are not `isGone` stay, for they are another interface's.
   */
  del(owner: Owner, isGone: (address: string) => boolean): void;
  /** Throws CniError when a rule is missing. */
  check(addresses: readonly Prefix[], owner: Owner): void;
  /** Removes the network's rules of all owners but those in `valid`. */
  gc(network: string, valid: readonly Owner[]): void;
  /** Throws CniError of code 50 when it can't be used. */
  status(): void;
}
