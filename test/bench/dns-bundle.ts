import { join } from 'node:path';
import { rolldown } from 'rolldown';

/**
 * Bundles what the DNS benchmark runs into `directory`, as the agent's executable has it: compiling
 * TypeScript on the way would show in the memory. Gives the server's file.
 */
export async function bundleServer(directory: string): Promise<string> {
  const files = [
    [join(import.meta.dirname, 'dns-serve.ts'), 'serve.mjs', 'esm'],
    [join(import.meta.dirname, '../../src/dns/udp-worker.ts'), 'udp-worker.cjs', 'cjs'],
  ] as const;
  for (const [input, file, format] of files) {
    const result = await rolldown({ input, platform: 'node', logLevel: 'silent' });
    await result.write({ file: join(directory, file), format, codeSplitting: false });
    await result.close();
  }
  return join(directory, 'serve.mjs');
}
