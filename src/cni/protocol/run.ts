import { toCniError } from './error.ts';
import { type CallInput, parseCall, perform } from './perform.ts';
import type { Plugin } from './plugin.ts';
import { NEWEST_VERSION, SPEC_VERSIONS } from './version.ts';

/** What a process gives a plugin. */
export interface PluginIo extends CallInput {
  readonly writeStdout: (text: string) => void;
  readonly writeStderr: (text: string) => void;
}

/**
 * Runs one call of a plugin as the runtime asks for it in the environment and on stdin, answers on
 * stdout and gives the exit status (CNI specification, section 2).
 */
export function runPlugin(plugin: Plugin, io: PluginIo): number {
  const command = io.env.CNI_COMMAND ?? '';
  if (command === '') {
    io.writeStderr(
      `${plugin.about}\nCNI protocol versions supported: ${SPEC_VERSIONS.join(', ')}\n`,
    );
    return 0;
  }
  try {
    if (command === 'VERSION') {
      const answer = { cniVersion: NEWEST_VERSION, supportedVersions: SPEC_VERSIONS };
      io.writeStdout(`${JSON.stringify(answer)}\n`);
      return 0;
    }
    const result = perform(plugin, parseCall(io));
    if (result !== undefined) io.writeStdout(`${JSON.stringify(result, undefined, 4)}\n`);
    return 0;
  } catch (error) {
    io.writeStdout(`${toCniError(error).toJson()}\n`);
    return 1;
  }
}
