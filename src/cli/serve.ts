/** `pyramidion serve`. */
import { once } from 'node:events';
import type { Command } from 'commander';
import { Option } from 'commander';
import { type Config, readConfig } from '../config/config.js';
import { SERVE_FLAGS, type ServeFlags } from '../config/flags.js';
import { type CliContext, printable } from './context.js';

/** Adds the flags of `serve`, each of which is a setting: see docs/settings.md. */
export function addServeOptions(command: Command): Command {
  for (const { flags, description, isRepeatable } of SERVE_FLAGS) {
    const option = new Option(flags, description);
    if (isRepeatable) option.argParser((value: string, all: readonly string[] = []) => [...all, value]);
    command.addOption(option);
  }
  return command;
}

/**
 * Serves a folder of images until the process is told to stop. Yields the exit code, 0, after an orderly stop. Errors: those of
 * `readConfig` and `ImageServer.start`.
 */
export async function runServe(root: string | undefined, flags: ServeFlags, context: CliContext): Promise<number> {
  const { stderr, stdout, signal } = context;
  const reread = (): Promise<Config> => readConfig({ flags, root });
  const config = await reread();
  // Loaded when they are needed: other commands do without.
  const { isMember, serveAsMember, startCluster } = await import('../server/cluster.js');
  if (isMember()) {
    await serveAsMember(config, reread);
    return 0;
  }
  for (const variable of config.unknownVariables)
    stderr.write(`pyramidion: warning: ${printable(variable)} is no setting: it is ignored\n`);
  const tell = (message: string): void => void stderr.write(`pyramidion: ${printable(message)}\n`);
  const server =
    config.server.processes > 1
      ? await startCluster(config, tell)
      : await (await import('../server/server.js')).ImageServer.start(config, { reread });
  stdout.write(told(config, server.urls));
  if (!signal.aborted) await once(signal, 'abort');
  await server.close();
  return 0;
}

/** What is served, and where. */
function told({ server, file }: Config, urls: readonly string[]): string {
  const roots = server.roots.map(printable).join(', ');
  const [main = ''] = urls;
  return [
    `Serving ${roots}${file === null ? '' : ` as ${printable(file)} says`}`,
    ...urls.map((url) => `  ${url}/is/image`),
    `  ${main}/viewer/`,
    '',
  ].join('\n');
}
