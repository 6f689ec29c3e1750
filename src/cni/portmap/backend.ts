import type { PodForwards, PortmapConfig } from './config.ts';
import type { Forward } from './forward.ts';
import type { Owner } from './owner.ts';

/** What keeps the rules: nftables or iptables. Its functions throw CniError. */
export interface PortmapBackend {
  /** Makes the rules of the forwards, in place of those `owner` has; a port taken is an error. */
  add(config: PortmapConfig, owner: Owner): void;
  /** Throws an error that names the holder when a port is another container's by this backend. */
  refuseTaken(pods: readonly PodForwards[], owner: Owner): void;
  /** Removes the rules of an owner and gives what they did. None are there is fine. */
  del(owner: Owner): Forward[];
  /** Throws an error that names the first rule that is missing. */
  check(config: PortmapConfig, owner: Owner): void;
  /** Removes the rules of a network's attachments that are not among `valid`. */
  gc(network: string, valid: readonly Owner[]): Forward[];
  /** Throws an error of code 50 when it can't be used here. */
  status(): void;
}
