/** `pyramidion serve`. */
import { once } from 'node:events';
import type { Command } from 'commander';
import { Option } from 'commander';
import { type Config, readConfig } from '../config/config.js';
import { SERVE_FLAGS, type ServeFlags } from '../config/flags.js';
import { toPyramidionError } from '../errors.js';
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
 * Serves a folder of images until the process is told to stop. Yields the exit code: 0 after an orderly stop, 2 for a configuration that
 * cannot be used, 1 for what else keeps the server from starting.
 */
export async function runServe(root: string | undefined, flags: ServeFlags, context: CliContext): Promise<number> {
  const { stderr, stdout, signal } = context;
  try {
    const config = await readConfig({ flags, root });
    // Loaded when they are needed: other commands do without.
    const { isMember, serveAsMember, startCluster } = await import('../server/cluster.js');
    if (isMember()) {
      await serveAsMember(config);
      return 0;
    }
    for (const variable of config.unknownVariables)
      stderr.write(`pyramidion: warning: ${printable(variable)} is no setting: it is ignored\n`);
    const tell = (message: string): void => void stderr.write(`pyramidion: ${printable(message)}\n`);
    const server =
      config.server.processes > 1
        ? await startCluster(config, tell)
        : await (await import('../server/server.js')).ImageServer.start(config);
    stdout.write(told(config, server.urls));
    if (!signal.aborted) await once(signal, 'abort');
    await server.close();
    return 0;
  } catch (thrown) {
    const error = toPyramidionError(thrown);
    for (const line of error.message.split('\n')) stderr.write(`pyramidion: ${error.code}: ${printable(line)}\n`);
    return error.code === 'INVALID_OPTION' ? 2 : 1;
  }
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
