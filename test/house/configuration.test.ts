import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readAlone } from '../../src/agent/config/agent-config.ts';
import { OPTION_NAMES, OPTIONS, SECTIONS } from '../../src/agent/config/definitions.ts';
import { jsonSchema } from '../../src/agent/config/json-schema.ts';
import { withOptionTables } from '../../src/agent/config/markdown.ts';
import { variableOf } from '../../src/agent/config/text-layers.ts';

const root = join(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const AGAIN = 'run "node --no-warnings scripts/configuration.ts" again';

describe("the agent's options", () => {
  it('are in docs/configuration.md as they are', () => {
    const page = read('docs/configuration.md');
    expect(page, AGAIN).toBe(withOptionTables(page));
  });

  it('are in the schema as they are', () => {
    expect(JSON.parse(read('docs/configuration.schema.json')), AGAIN).toEqual(jsonSchema());
  });

  it('each belong to one subject', () => {
    const shown = SECTIONS.flatMap(({ names }) => names);
    expect(shown.toSorted()).toEqual(OPTION_NAMES.toSorted());
  });

  it('have flags of their own, a sentence each, and speak of one another by names that exist', () => {
    const flags = OPTION_NAMES.flatMap((name) => OPTIONS[name].flag ?? []);
    expect(new Set(flags).size).toBe(flags.length);
    expect(
      flags.filter((flag) => !/^[a-z]+(?:-[a-z0-9]+)*$/.test(flag) || flag === 'config'),
    ).toEqual([]);
    expect(OPTION_NAMES.filter((name) => /^[A-Z][a-z]+ |\.$/.test(OPTIONS[name].doc))).toEqual([]);
    const others = OPTION_NAMES.flatMap((name) => {
      const { excludedBy = [], needs = [] } = OPTIONS[name];
      return [...excludedBy, ...needs];
    });
    expect(others.filter((name) => !OPTION_NAMES.some((each) => each === name))).toEqual([]);
  });

  it('have defaults that are read as they are written', () => {
    for (const name of OPTION_NAMES) {
      const { type, default: value } = OPTIONS[name];
      const written = type.format(value);
      if (written !== null) expect(type.read(written, '/'), name).toEqual(value);
    }
  });

  it('have variables that are their flags', () => {
    expect(variableOf(OPTIONS['dns.nodeLocal'])).toBe('PODWIRE_DNS_NODE_LOCAL');
    expect(variableOf(OPTIONS['dns.corefileText'])).toBeUndefined();
  });
});

describe('examples/agent/agent.yaml', () => {
  it('is read, and so is what it names', () => {
    const { values, kubeProxy, warnings, files } = readAlone(
      join(root, 'examples/agent/agent.yaml'),
    );
    expect(warnings).toEqual([]);
    expect(files).toHaveLength(2);
    expect(values['sources.manifests.directory']).toBe(join(root, 'examples/lab'));
    expect(kubeProxy).toMatchObject({ masqueradeAll: true, detectLocalMode: 'ClusterCIDR' });
    expect(kubeProxy.conntrack).toMatchObject({ udpTimeoutMs: 30_000, tcpBeLiberal: true });
  });
});
