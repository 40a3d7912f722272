import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { ModelBatch } from '@sconce/contracts';
import { ERROR_POLICY, SconceError, toSconceError } from '@sconce/errors';
import type { ManifestPatch, ModelFiles, ModelManifest, ModelRepository, StoredFile } from '@sconce/models';
import type { Logger } from '@sconce/telemetry';
import { runIsolated, type IsolationLimits } from './isolated-process.ts';
import { withoutFolders } from './without-folders.ts';
import type { MadeFile, Optimised, RegistrationMessage, RegistrationTask } from './registration-task.ts';

const MAX_FILE_BYTES = 4 * 1024 ** 3;

/** A stage of a registration that has ended, with its times (epoch ms). */
export interface RegistrationStage {
  readonly name: string;
  readonly startMs: number;
  readonly endMs: number;
}

/** What a registration uses. */
export interface ModelRegistrationOptions {
  /** The limits of each process. */
  readonly limits: IsolationLimits;
  readonly repository: Pick<ModelRepository, 'update'>;
  readonly files: Pick<ModelFiles, 'path' | 'add' | 'addForm'>;
  readonly logger: Logger;
}

/**
 * Registers stored artifacts, each in processes of its own: `compiling → proving → optimising → ready`. Each stage is written to the
 * manifest when it begins, so that clients see it.
 */
export class ModelRegistration {
  readonly #limits: IsolationLimits;
  readonly #repository: ModelRegistrationOptions['repository'];
  readonly #files: ModelRegistrationOptions['files'];
  readonly #logger: Logger;
  readonly #abort = new AbortController();

  constructor({ limits, repository, files, logger }: ModelRegistrationOptions) {
    this.#limits = limits;
    this.#repository = repository;
    this.#files = files;
    this.#logger = logger;
  }

  /**
   * Registers a version, whatever stage it had reached. `onStage` is called after each stage.
   * @throws SconceError `model_invalid`, `parity_failed`, … with the reason if the model cannot be served; `shutting_down`.
   */
  async register(manifest: ModelManifest, onStage: (stage: RegistrationStage) => void): Promise<void> {
    await inScratchFolder((folder) => this.#register(manifest, folder, onStage));
  }

  /** Makes and stores the saved form for this kind of machine, of a model that was proved on another kind. */
  async optimise(manifest: ModelManifest): Promise<void> {
    await this.#optimise(manifest);
  }

  /** Ends running registrations with `shutting_down`. */
  stop(): void {
    this.#abort.abort();
  }

  async #register(manifest: ModelManifest, folder: string, onStage: (stage: RegistrationStage) => void): Promise<void> {
    const { config, artifact } = manifest;
    const path = await this.#files.path(manifest, artifact);
    const casesPath = manifest.cases && (await this.#files.path(manifest, manifest.cases));
    let current = manifest;
    let call: Uint8Array = new Uint8Array();
    // A worker that died may have reached a later stage. All stages are done again from the start.
    if (current.status !== 'compiling') current = await this.#update(current, { status: 'compiling' });
    let sinceMs = Date.now();
    const reached = (name: string): void => {
      const endMs = Date.now();
      onStage({ name, startMs: sinceMs, endMs });
      sinceMs = endMs;
    };
    const task: RegistrationTask = {
      kind: 'register',
      artifact: { path, sha256: artifact.sha256, format: artifact.format },
      config,
      casesPath,
      folder,
    };
    await this.#run(task, async (message) => {
      switch (message.kind) {
        case 'compiled': {
          const { signature, warnings, unbounded, graph } = message;
          const compiled = graph && (await this.#store(current, folder, graph, '.onnx'));
          current = await this.#update(current, {
            status: 'proving',
            signature,
            ...(unbounded ? { unbounded } : {}),
            ...(warnings.length === 0 ? {} : { warnings }),
            ...(compiled === undefined ? {} : { compiled }),
          });
          return reached('sconce.compile');
        }
        case 'proved': {
          const { signature, batch, parity } = message;
          call = message.call;
          const check = message.check && (await this.#store(current, folder, message.check, '.safetensors'));
          current = await this.#update(current, {
            // A model that fails its parity is not optimised. The report stays in the manifest.
            status: parity?.ok === false ? 'proving' : 'optimising',
            signature,
            batch,
            ...warningsOf(current, message.warnings),
            ...(parity === undefined ? {} : { parity }),
            ...(check === undefined ? {} : { check }),
          });
          return reached('sconce.prove');
        }
        case 'optimised':
        case 'run_measured':
          return;
      }
    });
    const { batch } = current;
    const { optimised, performance, warning } = await this.#optimise(
      current,
      batch === undefined ? undefined : { call, batch },
    );
    await this.#update(current, {
      status: 'ready',
      ...warningsOf(current, warning === undefined ? [] : [warning]),
      ...(performance === undefined ? {} : { performance }),
      ...(optimised === undefined ? {} : { optimised }),
    });
    reached('sconce.optimise');
  }

  /**
   * Saves the model for this kind of machine, in the best way that works. If no way works, the model without a saved form must pass, or
   * this throws.
   */
  async #optimise(
    manifest: ModelManifest,
    measure?: { readonly call: Uint8Array; readonly batch: ModelBatch },
  ): Promise<Pick<ModelManifest, 'optimised' | 'performance'> & { readonly warning?: string | undefined }> {
    const modelPath = await this.#files.path(manifest, manifest.compiled ?? manifest.artifact);
    const checkPath = manifest.check && (await this.#files.path(manifest, manifest.check));
    let warning: string | undefined;
    for (const save of ['prepacked', 'plain', 'nothing'] as const) {
      try {
        return await inScratchFolder(async (folder) => {
          let result: Pick<ModelManifest, 'optimised' | 'performance'> = {};
          await this.#run({ kind: 'optimise', modelPath, checkPath, save, measure, folder }, async (message) => {
            if (message.kind === 'optimised') {
              const optimised = await this.#storeForm(manifest, folder, message);
              result = { optimised, performance: message.performance };
            } else if (message.kind === 'run_measured' && result.performance !== undefined) {
              result = { ...result, performance: { ...result.performance, run_memory: message.runMemory } };
            }
          });
          return { ...result, warning: save === 'nothing' ? warning : undefined };
        });
      } catch (thrown) {
        const error = toSconceError(thrown);
        if (save === 'nothing' || ERROR_POLICY[error.code].retry === 'backoff') throw error;
        const { name, version } = manifest;
        this.#logger.warn({ err: error, model: name, version, save }, 'the model cannot be saved in this way');
        warning = `served without a saved form, which takes more memory: ${error.message}`;
      }
    }
    throw new SconceError('internal', 'no way to serve the model was tried');
  }

  async #run(
    task: RegistrationTask,
    onMessage: (message: Exclude<RegistrationMessage, { kind: 'failed' }>) => Promise<void>,
  ): Promise<void> {
    try {
      await runIsolated(task, { limits: this.#limits, signal: this.#abort.signal, onMessage });
    } catch (error) {
      const file = task.kind === 'register' ? task.artifact.path : task.modelPath;
      throw withoutFolders(error, [task.folder, dirname(file), tmpdir()]);
    }
  }

  #update({ name, version }: ModelManifest, patch: ManifestPatch): Promise<ModelManifest> {
    return this.#repository.update(name, version, patch);
  }

  #store(manifest: ModelManifest, folder: string, file: MadeFile, suffix: string): Promise<StoredFile> {
    const body = createReadStream(join(folder, file.name));
    return this.#files.add(manifest, suffix, body, { maxBytes: MAX_FILE_BYTES });
  }

  async #storeForm(manifest: ModelManifest, folder: string, { form }: Optimised): Promise<ModelManifest['optimised']> {
    if (form === undefined) return undefined;
    const { cpuClass, runtime, files } = form;
    const stored = await this.#files.addForm(
      manifest,
      targetOf(form),
      files.map(({ name, sha256 }) => ({ name, sha256, body: () => createReadStream(join(folder, name)) })),
    );
    const bytes = stored.files.reduce((sum, { size_bytes: size }) => sum + size, 0);
    return { cpu_class: cpuClass, runtime, size_bytes: bytes };
  }
}

/** The name of a kind of machine in the store. */
export function targetOf({ cpuClass, runtime }: { readonly cpuClass: string; readonly runtime: string }): string {
  return `${cpuClass}-ort${runtime}`;
}

function warningsOf({ warnings = [] }: ModelManifest, more: readonly string[]): Pick<ManifestPatch, 'warnings'> {
  return more.length === 0 ? {} : { warnings: [...warnings, ...more] };
}

async function inScratchFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'sconce-registration-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
