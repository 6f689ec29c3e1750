import type { CommandModule } from 'yargs';
import { cleanupOverlay } from '../../agent/overlay/apply.ts';
import { NodeLocal } from '../../dns/node-local/node-local.ts';
import { IptablesBackend } from '../../proxy/iptables/backend.ts';
import { NftablesBackend } from '../../proxy/nftables/backend.ts';
import { formatJson, type OutputFormat, outputOption } from '../output.ts';

/** `podwire cleanup` */
export const cleanupCommand: CommandModule<object, { output: OutputFormat }> = {
  command: 'cleanup',
  describe:
    'remove what podwire agent made in this network namespace, and only that; stop it first',
  builder: (yargs) => yargs.option('output', outputOption),
  handler({ output }) {
    using nftables = NftablesBackend.open();
    using iptables = IptablesBackend.open();
    // A process that owns the rules runs, and would miss what is taken from it.
    nftables.checkOwner();
    // First what takes queries from the proxy, then the proxy's own.
    const removed = [
      ...NodeLocal.cleanup(),
      ...nftables.cleanup(),
      ...iptables.cleanup(),
      ...cleanupOverlay(),
    ];
    if (output === 'json') process.stdout.write(formatJson({ removed }));
    else
      process.stdout.write(
        removed.length === 0 ? 'nothing to remove\n' : `removed ${removed.join(', ')}\n`,
      );
  },
};
