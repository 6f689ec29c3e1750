import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseManifest } from './parse.ts';

const service = `apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  clusterIP: 10.96.0.20
  ports:
    - name: http
      port: 80
`;

const problemOf = (text: string): string => {
  try {
    parseManifest('f.yaml', text);
  } catch (error) {
    return (error as Error).message;
  }
  return 'no error';
};

describe('parseManifest', () => {
  it('reads a Service with the defaults of the API', () => {
    expect(parseManifest('f.yaml', service).objects).toEqual([
      {
        kind: 'Service',
        metadata: { name: 'web', namespace: 'default', labels: {}, annotations: {} },
        type: 'ClusterIP',
        clusterIPs: ['10.96.0.20'],
        ports: [{ name: 'http', protocol: 'TCP', port: 80 }],
      },
    ]);
  });

  it('reads lists and passes over kinds it has no use for', () => {
    const list = {
      apiVersion: 'v1',
      kind: 'List',
      items: [
        { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x' } },
        { apiVersion: 'v1', kind: 'Service', metadata: { name: 'a' }, spec: {} },
      ],
    };
    const { objects, ignored } = parseManifest('f.json', JSON.stringify(list));
    expect(objects.map((object) => object.metadata.name)).toEqual(['a']);
    expect(ignored).toEqual(['v1 ConfigMap']);
  });

  it.each([
    [
      service.replace('port: 80', 'port: "80"'),
      'f.yaml:9: spec.ports[0].port: expected a port number from 1 to 65535, got "80"',
    ],
    [
      service.replace('10.96.0.20', '10.96.0.256'),
      'f.yaml:6: spec.clusterIP: expected an IP address or "None", got "10.96.0.256"',
    ],
    [service.replace('  name: web\n', '  labels: {}\n'), 'f.yaml:3: metadata.name: expected'],
    [
      `${service}---\n${service.replace('port: 80', 'port: 70000')}`,
      'f.yaml:19: spec.ports[0].port: expected a port number',
    ],
    [
      `${service}    - port: 81\n`,
      'f.yaml:10: spec.ports[1].name: expected a name on each of several',
    ],
    [`${service}    - {name: http, port: 81}\n`, 'f.yaml:10: spec.ports[1].name: "http" is taken'],
    [service.slice(0, -6).concat(': ['), 'f.yaml:9: not YAML'],
    [
      'just text',
      'f.yaml:1: document: expected an object with apiVersion and kind, got "just text"',
    ],
    [
      'apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: a}\naddressType: IPv4\nendpoints:\n- addresses: ["::1"]\n',
      'f.yaml:6: endpoints[0].addresses[0]: expected an IPv4 address, got "::1"',
    ],
  ])('says what is wrong where (%#)', (text, message) => {
    expect(problemOf(text)).toContain(message);
  });

  it('reads every example', () => {
    const directory = join(import.meta.dirname, '../../../examples/lab');
    for (const file of readdirSync(directory).filter((name) => name.endsWith('.yaml'))) {
      const { objects, ignored } = parseManifest(file, readFileSync(join(directory, file), 'utf8'));
      expect(objects.length).toBeGreaterThan(0);
      expect(ignored).toEqual([]);
    }
  });
});
