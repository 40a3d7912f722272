import { Controller, Delete, Get, Inject, Param, Post, Put, Query, Req, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { poolSchema, type Model, type ModelList, type ModelVersion } from '@sconce/contracts';
import { SconceError } from '@sconce/errors';
import {
  ModelDirectory,
  ModelRepository,
  parseModelName,
  parseModelVersion,
  toModelVersion,
  type ModelManifest,
} from '@sconce/models';
import { InferenceProducer } from '@sconce/queue';
import type { Telemetry } from '@sconce/telemetry';
import type { ApiConfig } from '../config.ts';
import { STREAM_BODY } from '../http/body-parser.ts';
import { enqueued } from '../http/enqueue-span.ts';
import { nameModel, requestContext } from '../http/request-trace.ts';
import { uploadKeyOf } from '../http/upload-key.ts';
import { CONFIG, TELEMETRY } from '../tokens.ts';
import { listModel, listVersions } from './model-listing.ts';
import { PushOnce } from './push-once.ts';
import { readPushBody } from './push-body.ts';
import { VersionRemoval } from './version-removal.ts';

/** The model repository over HTTP. */
@Controller('v1/models')
export class ModelsController {
  constructor(
    @Inject(CONFIG) private readonly config: ApiConfig,
    @Inject(ModelRepository) private readonly repository: ModelRepository,
    @Inject(ModelDirectory) private readonly directory: ModelDirectory,
    @Inject(InferenceProducer) private readonly producer: InferenceProducer,
    @Inject(VersionRemoval) private readonly removal: VersionRemoval,
    @Inject(TELEMETRY) private readonly telemetry: Telemetry,
  ) {}

  @Get()
  async list(): Promise<ModelList> {
    return { object: 'list', data: await listVersions(this.repository) };
  }

  @Get(':model')
  async get(@Param('model') model: string): Promise<Model> {
    return listModel(this.repository, model);
  }

  @Get(':model/versions/:version')
  async getVersion(@Param('model') model: string, @Param('version') version: string): Promise<ModelVersion> {
    return toModelVersion(await this.repository.get(model, version));
  }

  @Put(':model/versions/:version')
  @RouteConfig(STREAM_BODY)
  async put(
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @Param('model') model: string,
    @Param('version') version: string,
    @Query('pool') pool?: string,
  ): Promise<void> {
    await this.#receive(request, reply, { model, version, pool });
  }

  @Post(':model/versions')
  @RouteConfig(STREAM_BODY)
  async post(
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @Param('model') model: string,
    @Query('pool') pool?: string,
  ): Promise<void> {
    await this.#receive(request, reply, { model, version: undefined, pool });
  }

  @Delete(':model/versions/:version')
  async remove(
    @Param('model') model: string,
    @Param('version') version: string,
    @Res() reply: FastifyReply,
    @Query('force') force?: string,
  ): Promise<void> {
    await this.removal.remove(model, version, { force: parseForce(force) });
    void reply.status(204).send();
  }

  async #receive(
    request: FastifyRequest,
    reply: FastifyReply,
    target: { model: string; version: string | undefined; pool: string | undefined },
  ): Promise<void> {
    const pool = poolSchema.optional().safeParse(target.pool);
    if (!pool.success) {
      throw new SconceError('invalid_request', `"pool" must be 1 to 64 letters, digits, "-" or "_".`, {
        details: { param: 'pool' },
      });
    }
    parseModelName(target.model);
    if (target.version !== undefined) parseModelVersion(target.version);
    this.producer.checkRoom();
    const key = target.version === undefined ? uploadKeyOf(request, `version ${target.model}`) : undefined;
    const held = key && (await this.producer.uploadKeys.held(key));
    const { model, close, ...body } = await readPushBody(request, target.model);
    const keyed = key && { key, model: target.model, pool: pool.data, body };
    const once = new PushOnce(this.repository, this.producer);
    if (keyed !== undefined && held !== undefined) {
      sendVersion(reply, await once.made(keyed, held, model).finally(close));
      return;
    }
    const received = await this.repository
      .receive(target.model, target.version, model, {
        maxBytes: this.config.maxArtifactBytes,
        pool: pool.data,
        ...body,
      })
      .finally(close);
    const manifest = keyed === undefined ? received : await once.settle(keyed, received);
    if (manifest !== received) {
      sendVersion(reply, manifest);
      return;
    }
    nameModel(request, manifest.name);
    this.directory.invalidate(manifest.name);
    try {
      await enqueued(this.telemetry.tracer, requestContext(request), (trace) =>
        this.producer.register({
          v: 1,
          model: manifest.name,
          version: manifest.version,
          trace,
        }),
      );
    } catch (error) {
      // Without the queue job, no worker would register the version. It is removed, so that the caller can push it again.
      await this.repository.remove(manifest.name, manifest.version);
      if (key !== undefined) await this.producer.uploadKeys.release(key);
      throw error;
    }
    sendVersion(reply, manifest);
  }
}

function sendVersion(reply: FastifyReply, manifest: ModelManifest): void {
  const { name, version } = manifest;
  void reply.status(202).header('location', `/v1/models/${name}/versions/${version}`).send(toModelVersion(manifest));
}

function parseForce(force: string | undefined): boolean {
  if (force === undefined || force === 'false') return false;
  if (force === 'true') return true;
  throw new SconceError('invalid_request', `"force" must be true or false.`, { details: { param: 'force' } });
}
