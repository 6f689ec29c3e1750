import type { CommandModule } from 'yargs';
import { cleanupOverlay } from '../../agent/overlay/apply.ts';
import { NodeLocal } from '../../dns/node-local/node-local.ts';
import { findKubeProxy } from '../../proxy/beside/kube-proxy.ts';
import { removeOwnRules } from '../../proxy/iptables/cleanup.ts';
import { NftablesBackend } from '../../proxy/nftables/backend.ts';
import { formatJson, type OutputFormat, outputOption } from '../output.ts';

/** `podwire cleanup` */
export const cleanupCommand: CommandModule<object, { output: OutputFormat }> = {
  command: 'cleanup',
  describe:
    'remove what podwire agent made in this network namespace, and only that; stop it first',
  builder: (yargs) => yargs.option('output', outputOption),
  async handler({ output }) {
    using nftables = NftablesBackend.open();
    // A process that owns the rules runs, and would miss what is taken from it.
    nftables.checkOwner();
    const { live } = await findKubeProxy();
    // Its chains have the same names, and it may have taken over what is there.
    const iptables = () => (live.length > 0 ? [] : removeOwnRules());
    // First what takes queries from the proxy, then the proxy's own.
    const removed = [
      ...NodeLocal.cleanup(),
      ...nftables.cleanup(),
      ...iptables(),
      ...cleanupOverlay(),
    ];
    if (output === 'json') process.stdout.write(formatJson({ removed }));
    else
      process.stdout.write(
        removed.length === 0 ? 'nothing to remove\n' : `removed ${removed.join(', ')}\n`,
      );
  },
};
