import { API_VERSION, KIND } from './agent-config.ts';
import { OPTION_NAMES, OPTIONS } from './definitions.ts';
import { EMBEDDED } from './file-layer.ts';
import type { Option } from './option.ts';
import { variableOf } from './text-layers.ts';
import type { JsonSchema } from './value-type.ts';

const DRAFT = 'https://json-schema.org/draft/2020-12/schema';

/** The JSON Schema of an AgentConfiguration, for editors and for whoever checks one before it is used. */
export function jsonSchema(): JsonSchema {
  const root = new Mapping();
  for (const name of OPTION_NAMES) root.put(name.split('.'), schemaOf(OPTIONS[name]));
  root.put(EMBEDDED.split('.'), {
    description: 'A KubeProxyConfiguration, which holds where nothing else says otherwise.',
    type: ['object', 'null'],
    required: ['apiVersion', 'kind'],
    properties: {
      apiVersion: { const: 'kubeproxy.config.k8s.io/v1alpha1' },
      kind: { const: 'KubeProxyConfiguration' },
    },
  });
  const { properties } = root.schema();
  return {
    $schema: DRAFT,
    title: `${API_VERSION} ${KIND}`,
    description:
      'What podwire agent is told by --config. Null says nothing, as if it were not there.',
    type: 'object',
    required: ['apiVersion', 'kind'],
    additionalProperties: false,
    properties: {
      apiVersion: { const: API_VERSION },
      kind: { const: KIND },
      ...(properties as JsonSchema),
    },
  };
}

/** A mapping that grows by paths. */
class Mapping {
  readonly #fields = new Map<string, Mapping | JsonSchema>();

  put([step = '', ...rest]: readonly string[], schema: JsonSchema): void {
    if (rest.length === 0) {
      this.#fields.set(step, schema);
      return;
    }
    const known = this.#fields.get(step);
    const below = known instanceof Mapping ? known : new Mapping();
    this.#fields.set(step, below);
    below.put(rest, schema);
  }

  schema(): JsonSchema {
    const properties = [...this.#fields].map(([step, below]) => [
      step,
      below instanceof Mapping ? below.schema() : below,
    ]);
    return {
      type: ['object', 'null'],
      additionalProperties: false,
      properties: Object.fromEntries(properties) as JsonSchema,
    };
  }
}

function schemaOf(option: Option<unknown>): JsonSchema {
  const { type, doc, flag, defaultDoc, default: value } = option;
  const said = flag === undefined ? [] : [`--${flag}`, variableOf(option)];
  const where = said.length === 0 ? '' : ` (${said.join(', ')})`;
  const usual = defaultDoc === undefined ? '' : ` Default: ${defaultDoc.replaceAll('`', '')}.`;
  const formatted = type.format(value);
  return {
    description: `${doc[0]?.toUpperCase()}${doc.slice(1)}${where}.${usual}`,
    ...nullable(type.schema),
    ...(defaultDoc !== undefined || formatted === null ? {} : { default: formatted }),
  };
}

/** Null is what is not there. */
function nullable(schema: JsonSchema): JsonSchema {
  const { type, enum: words } = schema;
  return {
    ...schema,
    type: [type, 'null'],
    ...(Array.isArray(words) ? { enum: [...(words as unknown[]), null] } : {}),
  };
}
