import { Worker } from 'node:worker_threads';
import { kubeconfigAccess } from '../../src/cluster/kube/kubeconfig.ts';
import { KubeSource } from '../../src/cluster/kube/source.ts';
import { Store } from '../../src/cluster/store.ts';
import { NODE_NAME } from './proxy-objects.ts';
import { startProxy } from './proxy-start.ts';

/* The same as `proxy-serve.ts` by an API server. It says nothing: the kernel is looked at. */

const [kubeconfig = ''] = process.argv.slice(2);
const store = new Store();
store.isComplete = false;
using source = new KubeSource(
  store.part(),
  {
    access: kubeconfigAccess(kubeconfig),
    userAgent: 'podwire-bench',
    nodeName: NODE_NAME,
    nodes: 'own',
    pods: 'none',
    imports: false,
    spawnDecoder: (options) => new Worker(new URL('decode-worker.mjs', import.meta.url), options),
  },
  {
    onSynced() {
      store.isComplete = true;
    },
    onError(message) {
      throw new Error(message);
    },
    onRecovered() {},
  },
);
source.start();
using _proxy = startProxy(store, 'nftables', () => {});
const ended = Promise.withResolvers<void>();
process.once('SIGTERM', () => ended.resolve());
await ended.promise;
