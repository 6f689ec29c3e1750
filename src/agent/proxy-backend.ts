import type { ProxyBackend } from '../proxy/backend.ts';
import { IptablesBackend } from '../proxy/iptables/backend.ts';
import { NftablesBackend } from '../proxy/nftables/backend.ts';
import type { ProxyMode } from './kube-proxy/settings.ts';
import type { Logger } from './log.ts';

/**
 * Opens the backend of a mode in the namespace the process is in. Throws KernelLacksError when the
 * kernel can't do what its rules need, IptablesError when a program is missing.
 */
export function openBackend(mode: ProxyMode, log: Logger): ProxyBackend {
  using undo = new DisposableStack();
  switch (mode) {
    case 'nftables': {
      const backend = undo.use(NftablesBackend.open());
      backend.probe();
      undo.move();
      return backend;
    }
    case 'iptables': {
      const backend = undo.use(IptablesBackend.open());
      backend.probe();
      log.info({ flavour: backend.flavour ?? 'the only one installed' }, 'rules by iptables');
      undo.move();
      return backend;
    }
  }
}
