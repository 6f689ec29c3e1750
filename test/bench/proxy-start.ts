import { MemoryKeeper } from '../../src/agent/memory.ts';
import type { Store } from '../../src/cluster/store.ts';
import { parsePrefix } from '../../src/ipaddr/prefix.ts';
import { IptablesBackend } from '../../src/proxy/iptables/backend.ts';
import { DEFAULT_SETTINGS } from '../../src/proxy/model/settings.ts';
import { NftablesBackend } from '../../src/proxy/nftables/backend.ts';
import { DEFAULT_NODE_RULES } from '../../src/proxy/node.ts';
import { ServiceProxy } from '../../src/proxy/proxy.ts';
import { NODE_NAME, SERVICE_RANGE } from './proxy-objects.ts';
import { CLIENT_RANGE } from './proxy-room.ts';

/**
 * Our proxy in the namespace the process is in, by the objects of a store and the backend of a mode, with
 * what the agent has beside it for its memory. `onCommit` is told of each commit, when it was
 * (performance.now).
 */
export function startProxy(store: Store, mode: string, onCommit: (at: number) => void): Disposable {
  using opened = new DisposableStack();
  // Not the agent's log, which takes longer to load than a thousand Services.
  opened.use(new MemoryKeeper({ debug() {} }));
  const backend = opened.use(
    mode === 'iptables' ? IptablesBackend.open() : NftablesBackend.open(undefined, { own: false }),
  );
  backend.probe();
  opened.use(
    new ServiceProxy(
      store,
      backend,
      {
        settings: {
          ...DEFAULT_SETTINGS,
          nodeName: NODE_NAME,
          detector: { kind: 'prefixes', prefixes: [parsePrefix(CLIENT_RANGE)] },
        },
        node: { ...DEFAULT_NODE_RULES, serviceCidrs: [parsePrefix(SERVICE_RANGE)] },
        nodePorts: 'primary',
        localAddrs: () => [],
        detectsByNode: false,
        syncPeriodMs: 30_000,
      },
      {
        onSync({ error, result }) {
          if (error !== undefined) throw error;
          if (result !== undefined && result.changes > 0) onCommit(performance.now());
        },
      },
    ),
  );
  return opened.move();
}
