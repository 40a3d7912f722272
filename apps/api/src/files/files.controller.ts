import { Controller, Delete, Get, Inject, Param, Post, Query, Req, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import * as z from 'zod';
import { BatchProducer } from '@sconce/queue';
import {
  DocumentDeleteFile,
  DocumentFile,
  DocumentFileContent,
  DocumentFiles,
  DocumentUpload,
} from '../docs/files.docs.ts';
import { STREAM_BODY } from '../http/body-parser.ts';
import { listResource, readQuery, type ListResource } from '../http/list-query.ts';
import { sendContent } from '../http/send-content.ts';
import { FileContents } from './file-contents.ts';
import { toFileResource, type FileResource } from './file-resource.ts';
import { receiveFile } from './file-upload.ts';

const listSchema = z.object({
  after: z.string().max(100).optional(),
  limit: z.coerce.number().int().min(1).max(10_000).default(100),
  order: z.enum(['asc', 'desc']).default('desc'),
  purpose: z.string().max(100).optional(),
});

/** Files as OpenAI's clients handle them: what batches read, and what they leave. */
@ApiTags('Files')
@Controller('v1/files')
export class FilesController {
  constructor(
    @Inject(BatchProducer) private readonly producer: BatchProducer,
    @Inject(FileContents) private readonly contents: FileContents,
  ) {}

  @Post()
  @RouteConfig(STREAM_BODY)
  @DocumentUpload()
  async create(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const file = await receiveFile(request, this.producer);
    void reply.status(200).send(toFileResource(file));
  }

  @Get()
  @DocumentFiles()
  async list(@Query() query: unknown): Promise<ListResource<FileResource>> {
    const { after, limit, order, purpose } = readQuery(query, listSchema);
    const { files, more } = await this.producer.files({
      limit,
      order,
      ...(after === undefined ? {} : { after }),
      ...(purpose === undefined ? {} : { purpose }),
    });
    return listResource(files.map(toFileResource), more);
  }

  @Get(':id')
  @DocumentFile()
  async get(@Param('id') id: string): Promise<FileResource> {
    return toFileResource(await this.producer.file(id));
  }

  @Get(':id/content')
  @DocumentFileContent()
  async content(@Param('id') id: string, @Res() reply: FastifyReply): Promise<void> {
    const file = await this.producer.file(id);
    sendContent(reply, await this.contents.open(file), file);
  }

  @Delete(':id')
  @DocumentDeleteFile()
  async remove(@Param('id') id: string): Promise<{ id: string; object: 'file'; deleted: true }> {
    await this.producer.deleteFile(id);
    return { id, object: 'file', deleted: true };
  }
}
