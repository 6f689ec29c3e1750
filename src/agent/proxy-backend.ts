import type { Flavour } from '../iptables/programs.ts';
import type { ProxyBackend } from '../proxy/backend.ts';
import { removeKubeProxyTables } from '../proxy/beside/kube-proxy.ts';
import { IptablesBackend } from '../proxy/iptables/backend.ts';
import { removeRules } from '../proxy/iptables/cleanup.ts';
import { NftablesBackend } from '../proxy/nftables/backend.ts';
import type { Netns } from '../sys/netns.ts';
import type { ProxyMode } from './kube-proxy/settings.ts';

const FAMILIES = [4, 6] as const;

/** What makes the rules of a mode. */
export interface OpenedBackend {
  readonly backend: ProxyBackend;
  /**
   * Removes the rules that other modes left here, and those of a kube-proxy, which does not run: to be
   * called once there are rules of this mode, so that no connection meets none. Gives what was removed.
   */
  readonly removeLeftovers: () => readonly string[];
  /** By what it makes them, in words. */
  readonly by: string;
}

/**
 * Opens the backend of a mode in `netns`, or in the namespace the process is in. Throws KernelLacksError
 * when the kernel can't do what its rules need, IptablesError when a program is missing.
 */
export function openBackend(mode: ProxyMode, netns?: Netns): OpenedBackend {
  const inside = <T>(work: () => T): T => (netns === undefined ? work() : netns.run(work));
  using undo = new DisposableStack();
  switch (mode) {
    case 'nftables': {
      const backend = undo.use(NftablesBackend.open(netns));
      backend.probe();
      undo.move();
      const remove = () => [...removeIptables(['nft', 'legacy']), ...removeKubeProxyTables()];
      return { backend, removeLeftovers: () => inside(remove), by: 'netlink' };
    }
    case 'iptables': {
      const backend = undo.use(IptablesBackend.open(netns));
      backend.probe();
      const { flavour } = backend;
      undo.move();
      const remove = () => [
        ...removeNftables(),
        ...removeIptables(flavour === 'nft' ? ['legacy'] : flavour === 'legacy' ? ['nft'] : []),
        ...removeKubeProxyTables(),
      ];
      const by = flavour === undefined ? 'iptables' : `iptables-${flavour}`;
      return { backend, removeLeftovers: () => inside(remove), by };
    }
  }
}

function removeNftables(): readonly string[] {
  using backend = NftablesBackend.open();
  return backend.cleanup();
}

/** In the chains of kube-proxy's names it is all one whose they were. */
function removeIptables(flavours: readonly Flavour[]): readonly string[] {
  return flavours.flatMap((flavour) =>
    FAMILIES.flatMap((family) => removeRules({ family, flavour }, 'any')),
  );
}
