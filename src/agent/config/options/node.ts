import { option } from '../option.ts';
import { text } from '../value-type.ts';

/** The node this is. */
export const NODE = {
  'node.name': option({
    flag: 'hostname-override',
    type: text("a node's name", (value) => {
      if (value === '' || value.trim() !== '') return value.trim().toLowerCase();
      throw new Error(`expected a node's name, got "${value}"`);
    }),
    default: '',
    defaultDoc: "the host's name",
    doc: "the node's name, as EndpointSlices have it; by default the host's",
    change: 'restart',
    kubeProxy: ({ nodeName }) => nodeName,
  }),
};
