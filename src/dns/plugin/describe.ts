import type { CorefileError } from '../corefile/position.ts';
import { type ConfiguredBlock, type Inspection, needsChain } from './configure.ts';

/** A plugin of a server block and what it will do. */
export interface PluginDescription {
  readonly name: string;
  readonly line: number;
  readonly column: number;
  /** A sentence each. */
  readonly says: readonly string[];
}

/** A server block as it was understood. */
export interface BlockDescription {
  readonly line: number;
  readonly column: number;
  /** Canonical names with the port of each. */
  readonly zones: readonly { readonly zone: string; readonly port: number }[];
  /** Who answers the cluster's names: threads from the table, or the plugins one by one. */
  readonly path: 'table' | 'plugins';
  /** Why that is so, in a sentence. */
  readonly why: string;
  /** In the order queries meet them, whatever that of the file. */
  readonly plugins: readonly PluginDescription[];
}

/** Something that can't be taken, and where. */
export interface FaultDescription {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly problem: string;
}

/** What a Corefile comes to. */
export interface CorefileDescription {
  readonly blocks: readonly BlockDescription[];
  readonly faults: readonly FaultDescription[];
}

/** Says what each server block of a Corefile will do, and what of it can't be taken. */
export function describeCorefile({ configuration, problems }: Inspection): CorefileDescription {
  return {
    blocks: configuration.blocks.map(describeBlock),
    faults: problems.map(describeFault),
  };
}

/** The description of a Corefile that could not be parsed at all. */
export function describeUnparsed(error: CorefileError): CorefileDescription {
  return { blocks: [], faults: [describeFault(error)] };
}

function describeFault({ position, problem }: CorefileError): FaultDescription {
  const { file, line, column } = position;
  return { file, line, column, problem };
}

function describeBlock(configured: ConfiguredBlock): BlockDescription {
  const { block, plugins } = configured;
  const { line, column } = block.at;
  const isFast = plugins.some(({ name }) => name === 'kubernetes') && !needsChain(configured);
  return {
    line,
    column,
    zones: block.keys.map(({ zone, port }) => ({ zone, port })),
    path: isFast ? 'table' : 'plugins',
    why: whyOf(configured, isFast),
    plugins: plugins.map(({ name, says }) => {
      const at = block.directives.find((directive) => directive.name.text === name)?.name;
      return { name, line: at?.line ?? line, column: at?.column ?? column, says };
    }),
  };
}

function whyOf(configured: ConfiguredBlock, isFast: boolean): string {
  if (isFast) return 'no plugin has a say in names of the cluster before kubernetes';
  const { block, plugins } = configured;
  const isWritten = block.directives.some(({ name }) => name.text === 'kubernetes');
  if (!isWritten) return 'there is no kubernetes in it';
  const before = plugins
    .filter((plugin) => needsChain({ ...configured, plugins: [plugin] }))
    .map(({ name }) => name);
  if (before.length === 0) return 'its kubernetes can not be taken';
  return `${before.join(', ')} may have a say in names of the cluster before kubernetes`;
}
