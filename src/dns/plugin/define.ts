import { fail } from '../corefile/values.ts';
import type { PluginDefinition, PluginModule } from './plugin.ts';

/** Makes a PluginModule of a definition; what its config is stays its own business. */
export function definePlugin<Config>(definition: PluginDefinition<Config>): PluginModule {
  const { name } = definition;
  return {
    name,
    configure(directives, context) {
      const second = directives[1];
      if (second !== undefined && definition.repeats !== true) {
        fail(second.name, `${name}: is there twice in one server block`);
      }
      const config = definition.parse(directives, context);
      const udpBytesMax = definition.udpBytesMax?.(config);
      return {
        name,
        config,
        says: definition.says(config),
        create: (environment) => definition.create(config, environment),
        files: definition.files?.(config) ?? [],
        ...(udpBytesMax === undefined ? {} : { udpBytesMax }),
      };
    },
  };
}
