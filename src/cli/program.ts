/** The command line: commands, their options, and what an outcome is as an exit code. */
import { Command, CommanderError, Option } from 'commander';
import type { ServeFlags } from '../config/flags.js';
import { toPyramidionError } from '../errors.js';
import { VERSION } from '../version.js';
import { CONVERTER_OPTIONS, normaliseArguments, VALIDATE_OPTIONS } from './arguments.js';
import { runBuild } from './build.js';
import { type CliContext, printable, UsageError } from './context.js';
import { type InfoFlags, runInfo } from './info.js';
import { addIngestOptions, type IngestFlags, runIngest } from './ingest.js';
import {
  addBuildOptions,
  addEngineOptions,
  type BuildFlags,
  engineOptions,
  nameOf,
  type RawFlags,
  whole,
} from './options.js';
import { addPlaylogOptions, type PlaylogFlags, runPlaylog } from './playlog.js';
import { type ProfilesFlags, runProfiles } from './profiles.js';
import { type RenderFlags, runRender } from './render.js';
import { addServeOptions, runServe } from './serve.js';
import { runValidate, type ValidateFlags } from './validate.js';

/** All done; at least one item failed; the command line cannot be followed. */
const EXIT = { done: 0, failed: 1, usage: 2 } as const;

/** Runs a command line (the words after the program's name) and yields its exit code: 0, 1 or 2. Rejects never. */
export async function runProgram(words: readonly string[], context: CliContext): Promise<number> {
  let code: number = EXIT.done;
  const program = createProgram(context, (result) => {
    code = result;
  });
  try {
    await program.parseAsync(normalise(program, words), { from: 'user' });
    return code;
  } catch (thrown) {
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? EXIT.done : EXIT.usage;
    if (thrown instanceof UsageError) {
      context.stderr.write(`pyramidion: ${printable(thrown.message)}\n`);
      return EXIT.usage;
    }
    const error = toPyramidionError(thrown);
    for (const line of error.message.split('\n'))
      context.stderr.write(`pyramidion: ${error.code}: ${printable(line)}\n`);
    return error.code === 'INVALID_OPTION' ? EXIT.usage : EXIT.failed;
  }
}

/** The commands, without running any. `finish` is told the exit code of the one that runs. */
export function createProgram(context: CliContext, finish: (code: number) => void): Command {
  const program = new Command('pyramidion')
    .description('Builds multi-resolution tiled TIFFs (PTIFF), looks into them, makes views of them, and serves them.')
    .version(VERSION, '--version', 'the version')
    .helpOption('--help', 'what can be said')
    .helpCommand(false)
    .exitOverride()
    .configureHelp({ showGlobalOptions: false })
    .configureOutput({
      writeOut: (text) => context.stdout.write(text),
      writeErr: (text) => context.stderr.write(text),
      outputError: (text, write) => write(`pyramidion: ${text.replace(/^error: /, '')}`),
    });

  addBuildOptions(
    program
      .command('build')
      .usage('<input>... <output.tif | directory/> [options]')
      .description('Build a pyramid of each image, or of each file in a folder.')
      .argument('<paths...>', 'images and folders, then the pyramid or the folder to write to')
      .addHelpText('after', converterHelp()),
  ).action(async (paths: string[], flags: BuildFlags & RawFlags) => finish(await runBuild(paths, flags, context)));

  addEngineOptions(
    program
      .command('info')
      .description('Show the levels of a pyramid, or the header of any other image.')
      .argument('<file>')
      .option('--json', 'one JSON document on standard output')
      .option('--tiles', 'sizes of the stored tiles; with --json, the place and length of each')
      .addOption(new Option('--page <n>', 'page of the image, from 0').argParser(whole(0, 100_000))),
  ).action(async (path: string, flags: InfoFlags & RawFlags) =>
    finish(await runInfo(path, flags, engineOptions(flags), context)),
  );

  program
    .command('render')
    .usage('<file> <output> [modifiers] [options]')
    .description('Write one view of an image.')
    .argument('<file>', 'a pyramid, or another image')
    .argument('[output]', 'the file to write (- is standard output); its ending decides the format when no fmt does')
    .argument('[modifiers]', "an Image Serving query, such as 'wid=800&rgn=0,0,2000,2000'; see docs/serving.md", '')
    .option('--explain', 'show what would be done, as JSON, and do nothing')
    .option('--json', 'one JSON document on standard output')
    .addOption(new Option('--page <n>', 'page of the image, from 0').argParser(whole(0, 100_000)))
    .addOption(
      new Option(
        '--max-mpix <n>',
        'millions of pixels that the view, or an image that is no pyramid, may have; 8 times as many are decoded [default 100]',
      ).argParser(whole(1, 10_000)),
    )
    .addOption(
      new Option('--profile-folder <folder>', 'a folder of ICC profiles for icc=; may be repeated').argParser(collect),
    )
    .action(async (path: string, output: string | undefined, modifiers: string, flags: RenderFlags) =>
      finish(await runRender(path, output, modifiers, flags, context)),
    );

  program
    .command('profiles')
    .description('List ICC profiles: what is known, from where, and what is missing.')
    .addOption(new Option('--folder <folder>', 'a folder of profiles; may be repeated').argParser(collect))
    .addOption(
      new Option(
        '--stand-ins <folder>',
        'allow free profiles of this folder to stand in for press profiles; may be repeated',
      ).argParser(collect),
    )
    .option('--json', 'one JSON document on standard output')
    .action(async (flags: ProfilesFlags) => finish(await runProfiles(flags, context)));

  addIngestOptions(program.command('ingest')).action(async (paths: string[], flags: IngestFlags & RawFlags) =>
    finish(await runIngest(paths, flags, context)),
  );

  addServeOptions(
    program
      .command('serve')
      .description('Serve images over HTTP: Image Serving at /is/image, and a viewer.')
      .argument('[root]', 'the folder of images'),
  ).action(async (root: string | undefined, flags: ServeFlags) => finish(await runServe(root, flags, context)));

  addPlaylogOptions(
    program
      .command('playlog')
      .description('Ask a server again what an access log says it was asked, so that its cache is warm.')
      .argument('<logs...>', 'access logs'),
  ).action(async (paths: string[], flags: PlaylogFlags) => finish(await runPlaylog(paths, flags, context)));

  addEngineOptions(
    program
      .command('validate')
      .description('Check files; the exit code is 0 when all are good.')
      .argument('[files...]')
      .addOption(new Option('--read-pixels', 'decode every pixel of every level, not the headers only'))
      .addOption(
        new Option('--type <type>', 'what the files have to be').choices(['any', 'jpeg', 'ptif']).default('any'),
      )
      .addOption(new Option('--reject-16-bit', 'refuse images of more than 8 bits per component'))
      .addOption(new Option('--validate-color-profile', 'check the embedded profile too'))
      .addOption(new Option('--stop-on-error', 'stop at the first bad file'))
      .addOption(
        new Option('--file-list <file>', 'read the names of the files from a file, one to a line').argParser(nameOf),
      )
      .addOption(new Option('--json', 'one JSON document on standard output'))
      .addOption(new Option('--progress', 'show progress even when standard error is no terminal').conflicts('silent'))
      .addOption(new Option('--silent', 'say nothing: the exit code is the answer').conflicts('verbose'))
      .addOption(new Option('--verbose', 'say more of each file')),
  ).action(async (paths: string[], flags: ValidateFlags & RawFlags) =>
    finish(await runValidate(paths, flags, engineOptions(flags), context)),
  );

  return program;
}

/** A parser of options that may be repeated. */
function collect(value: string, all: readonly string[] = []): string[] {
  return [...all, value];
}

/** Option names in any spelling, and the converter's own, for the command that is called. */
function normalise(program: Command, words: readonly string[]): string[] {
  const command = program.commands.find((candidate) => candidate.name() === words[0]);
  if (command === undefined) return [...words];
  const known = command.options.flatMap(({ long }) => (long ? [long] : []));
  return normaliseArguments(words, known, command.name() === 'validate' ? VALIDATE_OPTIONS : CONVERTER_OPTIONS);
}

function converterHelp(): string {
  const rows = CONVERTER_OPTIONS.map(({ name, to, values }) => `  --${name}`.padEnd(34) + (values > 0 ? `${to}…` : to));
  return ['', "Option names may be written in any case, with or without hyphens. The ic converter's:", ...rows].join(
    '\n',
  );
}
